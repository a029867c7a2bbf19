"""What networks read besides items: an event's fields, and features in numbers."""

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


class PiecewiseLinear(nn.Module):
    """Features as how far each lies through each of its parts (Gorishniy et al. 2022), and whether it is known.

    ``edges`` [n_features, bins + 1] bound the parts; one of no width is passed at once. All is within 0 and 1.
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
        known = ~torch.isnan(features)
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        through = (features.nan_to_num()[..., None] - low) / (high - low).clamp(min=1e-9)
        parts = through.clamp(0, 1) * known[..., None]
        return torch.cat([parts, known[..., None].to(parts.dtype)], dim=-1).flatten(1)
