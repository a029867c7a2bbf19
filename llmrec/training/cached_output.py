"""What a network computes of all items, kept for as long as its weights stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn


class CachesOutput(nn.Module):
    """A module that makes the same of all items at every call: without gradients it does so once.

    Until a parameter or buffer is changed, replaced or moved. In training nothing is kept, nor of weights that
    were made in inference mode, whose changes nothing counts. Copies begin without.
    """

    _cached: tuple[list[tuple[torch.Tensor, int]], torch.Tensor] | None = None

    def cached(self, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return what ``compute`` returns by the module's weights, which must be all that it depends on."""
        weights = (*self.parameters(), *self.buffers())
        if self.training or torch.is_grad_enabled() or any(one.is_inference() for one in weights):
            return compute()
        versions = [(one, one._version) for one in weights]
        cached = self._cached
        if cached is None or not _same(cached[0], versions):
            with torch.inference_mode(False), torch.no_grad():  # a later caller may not be in inference mode
                cached = self._cached = versions, compute()
        return cached[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cached": None}

    def train(self, mode: bool = True) -> Self:
        """Train or not, see ``torch.nn.Module.train``."""
        self._cached = None  # a fused optimizer's step does not count as a change, and training needs the memory
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._cached = None
        result: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return result


def _same(before: list[tuple[torch.Tensor, int]], now: list[tuple[torch.Tensor, int]]) -> bool:
    return len(before) == len(now) and all(
        one is other and version == newer for (one, version), (other, newer) in zip(before, now, strict=True)
    )
