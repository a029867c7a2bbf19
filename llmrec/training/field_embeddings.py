"""What networks read besides items: the fields of events, and numeric features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class FieldEmbeddings(nn.Module):
    """Scale and shift an item's vector by its event's fields (FiLM, Perez et al. 2018): a low rating may turn it.

    Bin 0, not known, changes nothing; all bins start at zero.
    """

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.shifts, self.scales = (
            nn.ModuleList(nn.Embedding(size, dim, padding_idx=0) for size in sizes) for _ in range(2)
        )
        for table in (*self.shifts, *self.scales):
            nn.init.zeros_(table.weight)

    def forward(self, items: torch.Tensor, bins: torch.Tensor, size: float = 1.0) -> torch.Tensor:
        """Turn item vectors [..., dim] with bins [..., n_fields] into event vectors; shifts are times ``size``."""
        scale, shift = (
            torch.stack([table(bins[..., field]) for field, table in enumerate(tables)]).sum(0)
            for tables in (self.scales, self.shifts)
        )
        return items * (1 + scale).to(items.dtype) + (shift * size).to(items.dtype)


class PiecewiseLinear(nn.Module):
    """Piecewise linear encoding of numeric features (Gorishniy et al. 2022), with a flag for what is known.

    Bin b of a feature becomes 0 below it, 1 above it, and in it the share of it that is passed; ``edges``
    [n_features, bins + 1] bound the bins. A bin of no width, which holds no training value, stays 0; so does the
    flag of a feature that was constant in training.
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
        """Encode features [n, n_features], NaN where not known, as [n, size(n_features)], feature by feature."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        # Weights of an input that was always 0 in training are still random: it must stay 0 later.
        known = ~torch.isnan(features) & (self.edges[:, -1] > self.edges[:, 0])
        passed = (features.nan_to_num()[..., None] - low) / (high - low).clamp(min=1e-9)
        encoded = passed.clamp(0, 1) * (known[..., None] & (high > low))
        return torch.cat([encoded, known[..., None].to(encoded.dtype)], dim=-1).flatten(1)
