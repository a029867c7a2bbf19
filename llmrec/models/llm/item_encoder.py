"""Finetuned item texts: encoded with gradient in part every step, all of them anew every so many steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from llmrec.llm.encode import mean_pooled, padded_texts
from llmrec.llm.ragged import RaggedTokens

if TYPE_CHECKING:
    from llmrec.llm.encode import ReadTokens
    from llmrec.models.llm.item_tower import ItemTower


class ItemEncoder(nn.Module):
    """The tokenized texts of a catalog whose encodings are finetuned.

    A step encodes as many items of its batch as ``budget`` tokens hold, with gradient; every ``every`` steps
    all encodings are computed anew without.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    mean: torch.Tensor
    step: torch.Tensor

    def __init__(
        self, item_tokens: RaggedTokens, *, mean: torch.Tensor, scale: float, budget: int, every: int
    ) -> None:
        super().__init__()
        tokens, lengths = padded_texts(item_tokens, np.arange(len(item_tokens)))
        self.register_buffer("tokens", torch.from_numpy(tokens))
        self.register_buffer("lengths", torch.from_numpy(lengths))
        self.register_buffer("mean", mean)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.scale, self.budget, self.every = scale, budget, every

    def sample(self, codes: torch.Tensor) -> torch.Tensor:
        """Draw as many of ``codes`` as the budget holds, at least one."""
        shuffled = codes[torch.randperm(len(codes), device=codes.device)]
        fits = torch.cumsum(self.lengths[shuffled] + 1, 0) <= self.budget
        fits[0] = True
        return shuffled[fits]

    def encode(self, codes: torch.Tensor, read: ReadTokens) -> torch.Tensor:
        """Encode items' texts, standardized as the frozen ones were: float32 [n, hidden]."""
        lengths = self.lengths[codes]
        tokens = self.tokens[codes, : int(lengths.max()) + 1]
        return (mean_pooled(read, tokens, lengths) - self.mean) / self.scale

    def refresh_if_due(self, tower: ItemTower, read: ReadTokens) -> None:
        """Count a step; after every ``every`` of them, compute all encodings anew."""
        if int(self.step) % self.every == 0 and int(self.step):
            self.refresh(tower, read)
        self.step += 1

    def refresh(self, tower: ItemTower, read: ReadTokens) -> None:
        """Compute all encodings anew, without gradient."""
        with torch.no_grad():
            order = torch.argsort(self.lengths, stable=True)
            size = max(self.budget // (int(self.lengths.max()) + 1), 1)
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                tower.texts[rows] = self.encode(rows, read)
