"""What a network computes of all items, kept for as long as its weights stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn


class KeepsOutput(nn.Module):
    """A module that makes the same of all items at every call: without gradients it does so once.

    Until a parameter or buffer is changed, replaced or moved. In training nothing is kept, nor of weights that
    were made in inference mode, whose changes nothing counts. Copies begin without.
    """

    _kept: tuple[list[tuple[torch.Tensor, int]], torch.Tensor] | None = None

    def kept(self, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return what ``compute`` returns by the module's weights, which must be all that it depends on."""
        weights = (*self.parameters(), *self.buffers())
        if self.training or torch.is_grad_enabled() or any(one.is_inference() for one in weights):
            return compute()
        versions = [(one, one._version) for one in weights]
        kept = self._kept
        if kept is None or not _same(kept[0], versions):
            with torch.inference_mode(False), torch.no_grad():  # a later caller may not be in inference mode
                kept = self._kept = versions, compute()
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def train(self, mode: bool = True) -> Self:
        """Train or not, see ``torch.nn.Module.train``."""
        self._kept = None  # a fused optimizer's step does not count as a change, and training needs the memory
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._kept = None
        result: Self = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return result


def _same(kept: list[tuple[torch.Tensor, int]], now: list[tuple[torch.Tensor, int]]) -> bool:
    return len(kept) == len(now) and all(
        one is other and version == newer for (one, version), (other, newer) in zip(kept, now, strict=True)
    )
