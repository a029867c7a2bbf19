"""The next-item loss over shared sampled negatives, and the items that a batch computes for its losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn import functional

from llmrec.models.llm.item_tower import ItemTower
from llmrec.training.catalog_softmax import Added
from llmrec.training.distributed import shared_draws
from llmrec.training.losses import sampled_cross_entropy


@dataclass(frozen=True)
class Losses:
    """The weights of the three losses, and how many negatives are sampled (None: exact softmax)."""

    item: float = 1.0
    title: float = 0.0
    response: float = 0.0
    negatives: int | None = None


NEXT_ITEM_ONLY = Losses()


class BatchItems(NamedTuple):
    """Item vectors [n, dim]: of ``codes`` [n], sorted, or of the whole catalog if None.

    ``share``: of several processes that have divided the items, the vectors [n_rows, dim] of this one's.
    """

    vectors: torch.Tensor
    codes: torch.Tensor | None
    share: torch.Tensor | None = None

    def rows(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the rows of ``vectors`` that hold some item codes; negative ones, at padding, stay negative."""
        if self.codes is None:
            return codes
        return torch.where(codes >= 0, torch.searchsorted(self.codes, codes), codes)


def divided_items(
    tower: ItemTower, share: slice, used: torch.Tensor, finetuned: tuple[torch.Tensor, torch.Tensor] | None
) -> BatchItems:
    """Compute the vectors of the item codes ``used`` in a share of a batch, and of a share of all items.

    ``finetuned``: item codes, and the text encodings to use for them.
    """
    sample, texts = finetuned if finetuned is not None else (used[:0], None)
    codes = torch.unique(torch.cat([used, sample]))
    with shared_draws():  # an item's residual is dropped for the whole batch
        mask = tower.draw_mask(len(tower.known))
    if texts is None:
        return BatchItems(tower(codes, None, mask), codes, tower(share, None, mask))
    here = (sample >= share.start) & (sample < share.stop)
    of_share = sample[here] - share.start, texts[here]
    vectors = tower(codes, (torch.searchsorted(codes, sample), texts), mask)
    return BatchItems(vectors, codes, tower(share, of_share, mask))


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
