"""The labels of a batch: training targets laid out as the heads' loss takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llmrec.data import Sequences
from llmrec.data.responses.task_set import Targets
from llmrec.training.batching import Batch, context_positions_of, targets_of

if TYPE_CHECKING:
    import torch


def batch_labels(targets: Targets, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
    """Lay out the targets of training ``sequences``, event by event, as ``ResponseHeads.loss`` takes them."""
    import torch

    arrays = {name: targets_of(values, sequences, batch.windows) for name, values in targets.values.items()}
    arrays["weights"] = np.nan_to_num(targets_of(targets.weights, sequences, batch.windows))
    if targets.features is not None:
        arrays["features"] = targets_of(targets.features, sequences, batch.windows)
    labels = {name: torch.from_numpy(values.astype(np.float32)) for name, values in arrays.items()}
    positions = context_positions_of(targets.n_visible, sequences, batch.windows)
    return {**labels, "context_positions": torch.from_numpy(positions)}
