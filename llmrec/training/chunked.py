"""A sum over positions, computed with its gradient part by part: what is large is held for one part only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

# States and targets of some positions to the sum of their losses.
Summed = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def sum_in_parts(loss: Summed, states: torch.Tensor, targets: torch.Tensor, *, at_once: int) -> torch.Tensor:
    """Return the sum of ``loss`` over ``states`` [n, width] and ``targets`` [n], ``at_once`` positions at a time.

    What ``loss`` holds is free again after each part, and is not computed a second time for the gradient.
    The gradient reaches ``states`` only: ``loss`` must depend on no other trained parameter.
    """
    total = states.new_zeros(())
    for start in range(0, len(targets), at_once):
        part = slice(start, start + at_once)
        if not torch.is_grad_enabled():
            total = total + loss(states[part], targets[part])
            continue
        leaf = states[part].detach().requires_grad_()
        value = loss(leaf, targets[part])
        (slope,) = torch.autograd.grad(value, leaf)
        total = total + _Known.apply(states[part], value.detach(), slope)  # type: ignore[no-untyped-call]
    return total


class _Known(torch.autograd.Function):
    """A value whose gradient has been computed already."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(slope)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return cast("torch.Tensor", above[0] * ctx.saved_tensors[0]), None, None
