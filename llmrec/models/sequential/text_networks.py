"""Recurrent networks over item texts: an item's vector is projected from its text's."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from torch import nn
from torch.nn import functional

from llmrec.models.sequential.networks import RecurrentNetwork
from llmrec.training import item_shards
from llmrec.training.cached_output import CachesOutput


class TextRecurrentNetwork(CachesOutput, RecurrentNetwork):
    """GRU or LSTM layers over item texts: an item's vector is a function of its text's.

    So an item never trained on is scored by its text; only its bias is unknown. ``texts`` [n_items, width]. With
    ``known`` [n_items, 1], 1 for what training has and 0 for all else, an item that is known has a learned
    residual besides, which begins at zero. In a training step whole items are read, and are predicted, without
    theirs by the chance of ``item_dropout``, so that texts alone are learned, too.
    """

    item_tables: tuple[str, ...] = ()
    texts: torch.Tensor
    known: torch.Tensor | None

    def __init__(
        self,
        cell: Literal["gru", "lstm"],
        texts: torch.Tensor,
        *,
        dim: int,
        layers: int,
        dropout: float,
        known: torch.Tensor | None = None,
        item_dropout: float = 0.0,
    ) -> None:
        super().__init__(cell, len(texts), dim=dim, layers=layers, dropout=dropout)
        self.items = nn.Embedding(1, dim)  # of the start only
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.register_buffer("texts", texts)
        self.project = nn.Sequential(nn.Linear(texts.shape[1], dim), nn.GELU(), nn.Linear(dim, dim))
        self.register_buffer("known", known)
        self.item_dropout = item_dropout
        if known is not None:
            self.item_tables = ("ids.weight",)
            self.ids = nn.Embedding(len(texts), dim)
            nn.init.zeros_(self.ids.weight)

    def table(self) -> torch.Tensor:
        """Return every item's vector and, last, that of the start."""
        return self.cached(lambda: torch.cat([self._vectors(), self.items.weight]))

    def embed(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the vectors of codes: [..., dim]; in training no others are projected."""
        if self.share is None and not self.training:
            return super().embed(codes)
        read, inverse = torch.unique(codes, return_inverse=True)
        projected = self._vectors(read.clamp(max=len(self.texts) - 1))
        vectors = torch.where((read < len(self.texts))[:, None], projected, self.items.weight)
        return functional.embedding(inverse, vectors)

    def catalog(self) -> torch.Tensor:
        """Return the vectors of all items, or of this process's share."""
        return self._vectors(self.share)

    def with_texts(self, texts: torch.Tensor) -> Self:
        """Return the network with other texts [n_items, width]; it shares all weights with this one."""
        other = copy.copy(self)
        other._buffers = {**self._buffers, "texts": texts.to(self.texts.device)}
        return other

    def _vectors(self, rows: torch.Tensor | slice | None = None) -> torch.Tensor:
        """Return vectors of all items, of some [n], or of this process's share."""
        chosen = slice(None) if rows is None else rows
        vectors: torch.Tensor = self.project(self.texts[chosen])
        if self.known is None:
            return vectors
        if rows is None:
            ids = self.ids.weight
        elif isinstance(rows, torch.Tensor):
            ids = item_shards.embedding(rows, self.ids.weight)
        else:
            ids = item_shards.share_of(self.ids.weight)
        present = self.known[chosen]
        if self.training and self.item_dropout:
            present = present * (torch.rand(present.shape, device=present.device) >= self.item_dropout)
        return vectors + ids * present
