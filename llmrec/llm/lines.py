"""Items' lines through the LLM: one vector a line, and a table of lines that a tuned tower encodes anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from llmrec.llm.serialize import Ints, Serializer

if TYPE_CHECKING:
    from llmrec.llm.tower import ItemTower

# Token ids [n, length] to last hidden states [n, length, hidden].
Read = Callable[[torch.Tensor], torch.Tensor]


def laid_out(serializer: Serializer, codes: Ints) -> tuple[Ints, Ints]:
    """Return some items' lines, right-padded behind a leading newline [n, 1 + longest], and their lengths [n].

    The newline is read first and not pooled: the first position's state is an outlier in many models.
    """
    lengths = np.diff(serializer.offsets)[codes]
    newline = serializer.tokens[serializer.offsets[1] - 1]
    tokens = np.full((len(codes), 1 + int(lengths.max())), newline, dtype=np.int64)
    for place, code in enumerate(codes):
        tokens[place, 1 : lengths[place] + 1] = serializer.line(int(code))
    return tokens, lengths


def pooled(read: Read, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean of a line's last hidden states, float32 [n, hidden]. Takes what ``laid_out`` returns."""
    hidden = read(tokens)[:, 1:].float()
    inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
    return (hidden * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)


class Lines(nn.Module):
    """All lines of a catalog, for a tower whose text encodings are tuned.

    A step encodes as many items of its batch as ``budget`` tokens hold, with gradient; every ``every`` steps
    all encodings are made anew without.
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    mean: torch.Tensor
    step: torch.Tensor

    def __init__(
        self, serializer: Serializer, *, mean: torch.Tensor, scale: float, budget: int, every: int
    ) -> None:
        super().__init__()
        tokens, lengths = laid_out(serializer, np.arange(len(serializer.offsets) - 1))
        self.register_buffer("tokens", torch.from_numpy(tokens))
        self.register_buffer("lengths", torch.from_numpy(lengths))
        self.register_buffer("mean", mean)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.scale, self.budget, self.every = scale, budget, every

    def some(self, codes: torch.Tensor) -> torch.Tensor:
        """Choose at random as many of ``codes`` as the budget holds, at least one."""
        mixed = codes[torch.randperm(len(codes), device=codes.device)]
        fits = torch.cumsum(self.lengths[mixed] + 1, 0) <= self.budget
        fits[0] = True
        return mixed[fits]

    def encode(self, codes: torch.Tensor, read: Read) -> torch.Tensor:
        """Encode lines as the frozen ones were standardized, float32 [n, hidden]."""
        lengths = self.lengths[codes]
        tokens = self.tokens[codes, : int(lengths.max()) + 1]
        return (pooled(read, tokens, lengths) - self.mean) / self.scale

    def refresh_if_due(self, tower: ItemTower, read: Read) -> None:
        """Count a step; where it is time, make all encodings anew."""
        if int(self.step) % self.every == 0 and int(self.step):
            self.refresh(tower, read)
        self.step += 1

    def refresh(self, tower: ItemTower, read: Read) -> None:
        """Make all encodings anew, without gradient."""
        with torch.no_grad():
            order = torch.argsort(self.lengths, stable=True)
            size = max(self.budget // (int(self.lengths.max()) + 1), 1)
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                tower.texts[rows] = self.encode(rows, read)
