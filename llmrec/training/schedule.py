"""When a training ends, on a known step or where nothing improves any more, and how its learning rate goes."""

from __future__ import annotations

import math
from typing import Any

from llmrec.config import TrainConfig
from llmrec.training.plan import Plan

# An open-ended training: a constant rate after so many steps, weights averaged over so much of the training.
WARMUP_STEPS = 100
AVERAGE_SHARE = 0.1
# It is validated so many steps apart at the least, and goes on for so much longer than its best took, and where it
# goes on from an earlier training for so much of that, too.
STEPS_BETWEEN = 50
LONGER_AGAIN = 0.2
LONGER = 1.0  # SASRec on MovieLens 100K stands still for half as long as that, and then rises, see eval/LOG.md


def is_open_ended(settings: TrainConfig) -> bool:
    """Whether training goes on until nothing improves, ``train.epochs`` being only a bound."""
    return settings.schedule == "open_ended"


def n_batches(settings: TrainConfig, plan: Plan) -> int:
    """Return how many batches there are; of an open-ended training a bound, since its epochs are not cut yet."""
    return plan.at_most() if is_open_ended(settings) else len(plan)


def n_steps(settings: TrainConfig, plan: Plan) -> int:
    """Return how many steps these make, each of ``train.accumulation`` batches but perhaps the last."""
    return math.ceil(n_batches(settings, plan) / settings.accumulation)


def is_done(settings: TrainConfig, plan: Plan, following: int) -> bool:
    """Whether nothing is left from batch ``following`` on; an open-ended training's last step is a whole one."""
    return plan.ends_before(following + (settings.accumulation - 1 if is_open_ended(settings) else 0))


def trainer_arguments(settings: TrainConfig, steps: int) -> dict[str, Any]:
    """Return how the learning rate goes, as transformers' Trainer takes it."""
    if is_open_ended(settings):
        return {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": WARMUP_STEPS}
    name = "constant_with_warmup" if settings.schedule == "constant" else settings.schedule
    return {"lr_scheduler_type": name, "warmup_steps": int(settings.warmup * steps)}


def validation_is_due(settings: TrainConfig, log: list[dict[str, Any]], step: int) -> bool:
    """Whether an epoch's end at ``step`` is validated: of an open-ended training's, those far enough apart."""
    return not is_open_ended(settings) or step - (log[-1]["step"] if log else 0) >= STEPS_BETWEEN


def most_steps(settings: TrainConfig, plan: Plan, earlier_steps: int) -> int | None:
    """Return after how many steps an open-ended training that goes on from another is over; None for any other.

    After as many epochs as took the weights where they are: then each new target was trained on as often as each
    old one was. And where there are few new ones, after the part of the earlier steps that patience waits for.
    """
    if not is_open_ended(settings) or not earlier_steps or plan.relative_epoch is None:
        return None
    return math.ceil(earlier_steps * max(plan.relative_epoch, LONGER_AGAIN))


def patience_is_over(
    settings: TrainConfig, log: list[dict[str, Any]], best: dict[str, Any], *, earlier_steps: int = 0
) -> bool:
    """Whether ``train.patience`` validations brought nothing better, an open-ended one's over enough steps.

    ``earlier_steps``: of the training that this one goes on from, whose first best comes at once.
    """
    later = sum(row["step"] > best["step"] for row in log)
    longer = log[-1]["step"] - best["step"]
    enough = LONGER * best["step"] + LONGER_AGAIN * earlier_steps
    return later >= settings.patience and (not is_open_ended(settings) or longer >= enough)
