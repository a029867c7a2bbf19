"""The item tower: a vector for each item, of its text and of what people did with it."""

from __future__ import annotations

import torch
from torch import nn

from llmrec.config import HeadConfig
from llmrec.training.cached_output import CachesOutput
from llmrec.training.item_shards import embedding, share_of


class ItemTower(CachesOutput):
    """``v_i = normalize(MLP(text_i) + g * id_i)``: text generalizes to new items, the id holds what text misses.

    In training the id of whole items is dropped at random, so that an item never seen is scored by its text.
    ``texts`` [n_items, width] are standardized text encodings, ``known`` [n_items] whether training has the item.
    """

    texts: torch.Tensor
    known: torch.Tensor

    def __init__(self, texts: torch.Tensor, known: torch.Tensor, head: HeadConfig) -> None:
        super().__init__()
        self.register_buffer("texts", texts)
        # As a mere negative an item would only ever be pushed away: without an event it has no residual.
        self.register_buffer("known", known)
        width = texts.shape[1]
        self.text = nn.Sequential(nn.Linear(width, head.dim), nn.GELU(), nn.Linear(head.dim, head.dim))
        self.ids = nn.Embedding(len(texts), head.dim) if head.id_residual else None
        self.gate = nn.Parameter(torch.ones(()))
        self.dropout = head.item_dropout
        if self.ids is not None:
            nn.init.normal_(self.ids.weight, std=head.dim**-0.5)

    def forward(
        self,
        codes: torch.Tensor | slice | None = None,
        finetuned: tuple[torch.Tensor, torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return item vectors before normalization: [n_items, dim], or [n, dim] of ``codes``.

        A slice means those that this process holds of divided items. ``finetuned``: rows of what is returned [m],
        and the text encodings [m, width] to use there instead of ``texts``: the gradient flows through them.
        ``mask`` [n_items, 1]: which items have their residual in this step, by default drawn here.
        """
        if codes is None and finetuned is None and mask is None:
            return self.cached(self._vectors)
        return self._vectors(codes, finetuned, mask)

    def _vectors(
        self,
        codes: torch.Tensor | slice | None = None,
        finetuned: tuple[torch.Tensor, torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        rows = slice(None) if codes is None else codes
        texts = self.texts[rows]
        if finetuned is not None:
            texts = texts.index_copy(0, finetuned[0], finetuned[1])
        vectors: torch.Tensor = self.text(texts)
        if self.ids is None:
            return vectors
        ids = self.ids.weight
        if codes is not None:
            ids = embedding(codes, ids) if isinstance(codes, torch.Tensor) else share_of(ids)
        residual = self.gate * ids * self.known[rows, None]
        mask = self.draw_mask(len(residual)) if mask is None else mask[rows]
        return vectors + (residual if mask is None else residual * mask)

    def draw_mask(self, n: int) -> torch.Tensor | None:
        """Draw which of n items have their residual in a step: bool [n, 1]; None where all have it."""
        if not (self.training and self.dropout):
            return None
        return torch.rand(n, 1, device=self.gate.device) >= self.dropout
