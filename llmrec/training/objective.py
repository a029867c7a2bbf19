"""The loss that every neural model here shares: exact softmax over the catalog at every position."""

from __future__ import annotations

import torch
from torch.nn import functional

from llmrec.training.windows import IGNORE


def catalog_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the true next item among all items, over the positions that have a target.

    ``logits`` [positions, n_items], ``targets`` [positions] with IGNORE where there is none. Exact CE
    against sampled negatives: Klenitskiy & Vasilev, RecSys 2023.
    """
    return functional.cross_entropy(logits.float(), targets, ignore_index=IGNORE)
