"""How a training that goes on from a run is trained, where its recipe leaves that open: short, and to an end."""

from __future__ import annotations

import logging
from collections.abc import Set

from llmrec.config import Recipe
from llmrec.config.sections import TrainConfig
from llmrec.models.continuation import Continuation
from llmrec.models.start import Start

log = logging.getLogger(__name__)

# Of the epochs that the run was trained for, this share; of its weights so much, the rest new ones; and so many
# times the recipe's rate: see eval/LOG.md, "going on from a run between its weights and new ones".
SHARE_OF_EPOCHS, SHARE_OF_WEIGHTS, RATE = 0.25, 0.4, 2.0
OF_GOING_ON = ("replay", "shrink")  # fields of ``train`` that say nothing of a training from scratch


def leaves_open(recipe: Recipe, *, given: Set[str]) -> bool:
    """Whether a recipe leaves open how it goes on from a run: an open-ended one, unless that itself is ``given``.

    An LLM's does not: for one these settings were never measured, and it goes on as its recipe says.
    """
    return recipe.model != "llm" and recipe.train.schedule == "open_ended" and "train.schedule" not in given


def settled(recipe: Recipe, origin: Continuation | Start | None, *, given: Set[str]) -> Recipe:
    """Return a complete recipe as it is trained where it goes on from a run, if it does; it is logged.

    An open-ended one becomes a few epochs of all events, at a higher rate that falls to zero, from weights between
    the run's and new ones; but for fields that are ``given``, as "train.epochs", and for what the recipe itself
    says of going on, in other values than the defaults. One with a schedule of its own, and an LLM's, stays as it
    is: only what is new is trained on, with some of the old (``train.replay``).
    """
    if not isinstance(origin, Continuation) or not leaves_open(recipe, given=given) or not origin.epochs:
        return recipe
    settings, before, defaults = recipe.train, origin.epochs, TrainConfig()
    given = given | {f"train.{name}" for name in OF_GOING_ON if getattr(settings, name) != getattr(defaults, name)}
    epochs = settings.epochs if "train.epochs" in given else max(round(SHARE_OF_EPOCHS * before), 1)
    values = {
        "schedule": "cosine",
        "epochs": epochs,
        "patience": epochs,
        "learning_rate": RATE * settings.learning_rate,
        "head_learning_rate": RATE * settings.head_learning_rate,
        "replay": None,
        "shrink": SHARE_OF_WEIGHTS,
    }
    changes = {f"train.{name}": value for name, value in values.items() if name in settings.model_fields_set}
    recipe = recipe.with_values({name: value for name, value in changes.items() if name not in given})
    settings = recipe.train
    replayed = "all" if settings.replay is None else f"{settings.replay:g} for each new one"
    log.info(
        "%s: goes on from %s, trained for %d epochs, for %d at a rate of %g that falls to zero, from %g of its "
        "weights; old events: %s; what --set says stays as it is",
        *(recipe.name, origin.run, before, settings.epochs, settings.learning_rate, settings.shrink),
        replayed,
    )
    return recipe
