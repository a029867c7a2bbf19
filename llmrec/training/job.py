"""What one training run needs besides a network and an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmrec.training.batching import Batch
from llmrec.training.checkpoints import NEXT_ITEM, NamedTensors, best_row
from llmrec.training.plan import Plan
from llmrec.training.progress import Progress
from llmrec.training.weight_average import WeightAverage


@dataclass
class TrainingJob:
    """What to train on, in which order, how to validate, and the folder of checkpoints and log.

    ``validate`` returns columns for the log; the epoch with the highest sum of those named in
    ``early_stopping_metric`` is the best. ``earlier_steps``: those of the training that this one goes on from.
    """

    plan: Plan
    collate: Callable[[Batch], NamedTensors]
    validate: Callable[[], dict[str, float]] | None
    work_dir: Path
    progress: Progress
    early_stopping_metric: tuple[str, ...] = NEXT_ITEM
    earlier_steps: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    average: WeightAverage | None = None  # what is validated and kept instead of the weights as they are

    def best(self) -> dict[str, Any]:
        """Return the log's row of the best epoch so far."""
        return best_row(self.log, self.early_stopping_metric)
