"""The next-item loss over shared sampled negatives, and the items that a batch computes for it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from llmrec.training.catalog_softmax import Added
from llmrec.training.losses import sampled_cross_entropy


class BatchItems(NamedTuple):
    """Item vectors [n, dim]: of ``codes`` [n], sorted, or of the whole catalog if None."""

    vectors: torch.Tensor
    codes: torch.Tensor | None

    def rows(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the rows of ``vectors`` that hold some item codes; negative ones, at padding, stay negative."""
        if self.codes is None:
            return codes
        return torch.where(codes >= 0, torch.searchsorted(self.codes, codes), codes)


def sampled_item_loss(
    users: torch.Tensor,
    targets: torch.Tensor,
    items: BatchItems,
    bias: torch.Tensor,
    *,
    scale: torch.Tensor,
    negatives: torch.Tensor,
    log_q: torch.Tensor,
    weights: torch.Tensor | None,
    repeats: Added | None,
) -> torch.Tensor:
    """Cross-entropy of ``targets`` [n] against ``negatives`` [drawn], see ``sampled_cross_entropy``.

    Scores are ``scale`` times the products of ``users`` [n, dim] and items, both of unit length, plus ``bias``
    [n_items], plus what ``repeats`` add.
    """
    target_vectors = functional.embedding(items.rows(targets), items.vectors)
    target_scores = scale * (users * target_vectors).sum(-1) + bias[targets]
    negative_scores = scale * users @ items.vectors[items.rows(negatives)].T + bias[negatives]
    if repeats is not None:
        repeated, values = repeats
        target_scores = target_scores + (values * (repeated == targets[:, None])).sum(-1)
        columns = torch.full_like(bias, -1, dtype=torch.long)
        columns[negatives] = torch.arange(len(negatives), device=columns.device)
        columns = columns[repeated]
        negative_scores = negative_scores.scatter_add(1, columns.clamp(min=0), values * (columns >= 0))
    return sampled_cross_entropy(
        target_scores, negative_scores, targets, negatives=negatives, log_q=log_q, weights=weights
    )
