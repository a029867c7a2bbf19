"""Train a recommender's network: validate, keep log and cost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.columns import ITEM
from llmrec.metrics import per_user
from llmrec.models.continuation import steps_before
from llmrec.runtime import device_name, matmul_precision
from llmrec.training.batching import Batch
from llmrec.training.distributed import is_first, on_first, size
from llmrec.training.plan import Plan
from llmrec.training.progress import Progress

if TYPE_CHECKING:
    import torch

    from llmrec.models.base import Recommender


@dataclass(frozen=True)
class Validation:
    """How well the responses are predicted, and the log's columns whose sum says which epoch is best."""

    skill: Callable[[], float]
    early_stopping_metric: tuple[str, ...]


def fit_network(
    model: Recommender,
    network: torch.nn.Module,
    plan: Plan,
    collate: Callable[[Batch], dict[str, torch.Tensor]],
    *,
    groups: list[dict[str, Any]],
    valid: Fold | None,
    work_dir: Path | None,
    progress: bool,
    validation_context: Callable[[], AbstractContextManager[None]] = nullcontext,
    responses: Validation | None = None,
) -> None:
    """Train ``network``; leave the log in ``model.train_log`` and the cost in ``model.metadata``.

    ``validation_context`` is entered for each validation; ``responses`` says what else is validated.
    """
    from llmrec.training.checkpoints import NEXT_ITEM
    from llmrec.training.job import TrainingJob
    from llmrec.training.trainer import train

    settings = model.recipe.train
    sample = None
    if valid is not None and len(valid.histories):  # a split may leave nobody to validate on
        sample = sample_of(valid, settings.valid_users, seed=model.recipe.seed)
    bar = Progress(model.recipe.name, shown=progress and is_first(), most_minutes=settings.max_minutes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = on_first(lambda: work_dir or Path(temporary))
        folder.mkdir(parents=True, exist_ok=True)

        def validate() -> dict[str, float]:
            assert sample is not None
            with validation_context():
                row = {"valid_ndcg@10": ndcg_on(model, sample)}
                return row if responses is None else row | {"valid_responses": responses.skill()}

        early_stopping_metric = NEXT_ITEM if responses is None else responses.early_stopping_metric
        earlier = steps_before(model)
        job = TrainingJob(plan, collate, validate if sample else None, folder, bar, early_stopping_metric, earlier)
        precision = settings.float32_matmul_precision
        with matmul_precision(precision) if precision else nullcontext():
            take = train if model.probe is None else model.probe
            cost = take(network, job, settings=settings, groups=groups, seed=model.recipe.seed)
    model.train_log = job.log
    processes = {"processes": size()} if size() > 1 else {}
    model.metadata["cost"] = {**cost, "device": device_name(), **processes}


def training_sequences(model: Recommender, data: Dataset) -> Sequences:
    """Return training histories as the model reads them, with the events that ``train.targets`` makes visible.

    Events that are no positive targets are read, and are labels of responses, but no next items.
    """
    sequences = model.sequences_of(data.histories)
    targets = model.recipe.train.targets
    if targets != "event":
        sequences = Sequences.strictly_before(sequences, data.histories, model.catalog, both=targets == "both")
    return sequences.with_masked_labels()


def sample_of(fold: Fold, most: int, *, seed: int) -> Fold:
    """Return a fixed random sample of at most ``most`` users of a fold."""
    n = len(fold.histories)
    if n <= most:
        return fold
    return fold.take(np.sort(np.random.default_rng(seed).choice(n, most, replace=False)))


def ndcg_on(model: Recommender, fold: Fold) -> float:
    """Mean NDCG@10 of a model on a fold, as in the final evaluation.

    Where all answers of a fold are items that were never trained on, only such items are ranked: among all items
    they are in the top 10 too rarely to distinguish a good epoch from a bad one.
    """
    users = list(fold.histories.user_ids)
    new = _new_items(model, fold)
    recs = model.recommend(fold.histories, 10, candidates=None if new is None else dict.fromkeys(users, new))
    table = per_user(recs, fold.answers, users=users, k=10)
    return float(np.mean(table["ndcg@10"].to_numpy()))


def _new_items(model: Recommender, fold: Fold) -> list[str] | None:
    """Return the items that the training histories lack, if a fold has no other answers."""
    new = model.catalog.without(model.histories.events[ITEM])
    return new if set(fold.answers[ITEM]) <= set(new) else None


def write_log(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write ``train_log.jsonl``."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train_log.jsonl").write_text(text, encoding="utf-8")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read ``train_log.jsonl``; empty for a model that is not trained in steps."""
    path = folder / "train_log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]
