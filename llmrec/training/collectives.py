"""What the processes of a training send each other within a step; all of them must come to each call."""

from __future__ import annotations

import torch
from torch import distributed


def gathered(value: torch.Tensor) -> list[torch.Tensor]:
    """Return the tensors [n, ...] of all ranks, by rank; only their numbers of rows may differ."""
    n = torch.tensor([len(value)], dtype=torch.int64, device=value.device)
    numbers = [torch.zeros_like(n) for _ in range(distributed.get_world_size())]
    distributed.all_gather(numbers, n)
    counts = [int(one) for one in numbers]
    padded = value.new_zeros((max(counts), *value.shape[1:]))
    padded[: len(value)] = value
    parts = [torch.empty_like(padded) for _ in counts]
    if padded.numel():
        distributed.all_gather(parts, padded)
    return [part[:count] for part, count in zip(parts, counts, strict=True)]


def summed(value: torch.Tensor) -> torch.Tensor:
    """Add up a tensor over all ranks, in place; returns it."""
    if value.numel():
        distributed.all_reduce(value)
    return value


def largest(value: torch.Tensor) -> torch.Tensor:
    """Replace each number of a tensor by the largest of all ranks; returns it."""
    if value.numel():
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
    return value
