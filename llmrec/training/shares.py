"""The share that a process has of a batch; batches themselves do not depend on how many processes there are."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec.training.batching import IGNORE, Batch


def share_of(batch: Batch, rank: int, size: int) -> Batch:
    """Return the windows of a batch that process ``rank`` of ``size`` trains on, of about as many positions each.

    A rank for which no window is left gets the shortest, to be trained on ``without_targets``.
    """
    if size == 1:
        return batch
    sizes = batch.windows[:, 2] - batch.windows[:, 1] if batch.sizes is None else batch.sizes
    order = np.argsort(-sizes, kind="stable")
    rows = np.sort(order[rank::size]) if rank < len(order) else order[-1:]
    return Batch(batch.epoch, batch.windows[rows], whole=batch.windows, rows=rows)


def is_spare(batch: Batch, rank: int) -> bool:
    """Whether process ``rank`` has no window of its own in the whole batch that it has a share of."""
    return batch.whole is not None and rank >= len(batch.whole)


def without_targets(tensors: dict[str, Any]) -> dict[str, Any]:
    """Return the tensors of a batch that nothing is learned from, and whose tokens do not count."""
    import torch

    blank = {"targets": torch.full_like(tensors["targets"], IGNORE), "n_tokens": torch.tensor(0)}
    if "tokens" in tensors:
        blank["title_labels"] = torch.zeros_like(tensors["tokens"], dtype=torch.bool)
    return tensors | blank
