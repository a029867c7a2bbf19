"""Embeddings of an event's fields, added to its item's slot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class FieldEmbeddings(nn.Module):
    """The sum of one vector for each field's level. Level 0, not known, adds nothing; all begin at nothing."""

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim, padding_idx=0) for size in sizes)
        for table in self.tables:
            nn.init.zeros_(table.weight)  # type: ignore[arg-type]

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """Turn levels [..., n_fields] into vectors [..., dim]."""
        parts = [table(levels[..., place]) for place, table in enumerate(self.tables)]
        return torch.stack(parts).sum(0)
