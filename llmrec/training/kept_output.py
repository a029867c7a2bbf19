"""What a network computes of all items, kept for as long as its weights stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn


class KeepsOutput(nn.Module):
    """A module that makes the same of all items at every call: without gradients it does so once.

    Until a parameter or buffer is changed, replaced or moved. In training nothing is kept.
    """

    _kept: tuple[list[tuple[torch.Tensor, int]], torch.Tensor] | None = None

    def kept(self, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return what ``compute`` returns by the module's weights, which must be all that it depends on."""
        if self.training or torch.is_grad_enabled():
            return compute()
        weights = [(one, _version(one)) for one in (*self.parameters(), *self.buffers())]
        kept = self._kept
        if kept is None or not _same(kept[0], weights):
            kept = self._kept = weights, compute()
        return kept[1]

    def train(self, mode: bool = True) -> Self:
        """Train or not, see ``torch.nn.Module.train``."""
        self._kept = None  # a fused optimizer's step does not count as a change, and training needs the memory
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._kept = None
        return super()._apply(fn, recurse)


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else int(tensor._version)


def _same(kept: list[tuple[torch.Tensor, int]], now: list[tuple[torch.Tensor, int]]) -> bool:
    return len(kept) == len(now) and all(
        one is other and version == newer for (one, version), (other, newer) in zip(kept, now, strict=True)
    )
