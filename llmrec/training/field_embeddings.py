"""What networks read besides items: an event's fields, and features in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class FieldEmbeddings(nn.Module):
    """Scale and move an item's vector by its event's fields (FiLM, Perez et al. 2018): a low rating may turn it.

    Level 0, not known, does nothing; all levels begin at nothing.
    """

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.tables, self.scales = (
            nn.ModuleList(nn.Embedding(size, dim, padding_idx=0) for size in sizes) for _ in range(2)
        )
        for table in (*self.tables, *self.scales):
            nn.init.zeros_(table.weight)

    def forward(self, items: torch.Tensor, levels: torch.Tensor, size: float = 1.0) -> torch.Tensor:
        """Turn items' vectors [..., dim] with levels [..., n_fields] into events'; moves are times ``size``."""
        scale, move = (
            torch.stack([table(levels[..., place]) for place, table in enumerate(tables)]).sum(0)
            for tables in (self.scales, self.tables)
        )
        return items * (1 + scale).to(items.dtype) + (move * size).to(items.dtype)


class PiecewiseLinear(nn.Module):
    """Features as how far each lies through each of its parts (Gorishniy et al. 2022), and whether it is known.

    ``edges`` [n_features, bins + 1] bound the parts; one of no width, which no training value lies in, is 0. All
    is within 0 and 1. Whether a feature is known is only told of one that differed in training.
    """

    edges: torch.Tensor

    def __init__(self, edges: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("edges", edges, persistent=False)
        self.bins = edges.shape[1] - 1

    def size(self, n_features: int) -> int:
        """How many numbers the first ``n_features`` become."""
        return n_features * (self.bins + 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Turn features [n, n_features], NaN where not known, into [n, size(n_features)], one after the other."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        # Weights of what was always 0 in training are as they were drawn: nothing may wake them later.
        known = ~torch.isnan(features) & (self.edges[:, -1] > self.edges[:, 0])
        through = (features.nan_to_num()[..., None] - low) / (high - low).clamp(min=1e-9)
        parts = through.clamp(0, 1) * (known[..., None] & (high > low))
        return torch.cat([parts, known[..., None].to(parts.dtype)], dim=-1).flatten(1)
