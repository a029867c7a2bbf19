"""The exact softmax over a catalog whose items are divided over processes: each has the logits of its share."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from llmrec.training.collectives import gathered, largest, summed
from llmrec.training.distributed import rank, size

Gathered = list[torch.Tensor]


class DividedSoftmax(torch.autograd.Function):
    """Sum of shares times cross-entropy over a batch's positions; gradients are computed in the forward pass.

    ``states`` [n, dim], ``targets``, ``shares`` [n] and the added ``codes``, ``values`` [n, m] are this process's
    positions, ``table`` [n_rows, dim] and ``bias`` [n_rows] its items, the first of which is number ``start``.
    Every rank computes the logits of all positions over its items; their largest, and their sums of exponentials,
    are joined. The value is the batch's loss divided by the number of ranks, so that those of all add up to it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        table: torch.Tensor,
        bias: torch.Tensor,
        targets: torch.Tensor,
        shares: torch.Tensor,
        codes: torch.Tensor | None,
        values: torch.Tensor | None,
        start: int,
        positions_at_once: int,
        with_gradients: bool,
    ) -> torch.Tensor:
        by_rank = gathered(states)
        total, of_states, of_table, of_bias, of_values = _over_parts(
            torch.cat(by_rank),
            table,
            bias,
            torch.cat(gathered(targets)) - start,
            torch.cat(gathered(shares)),
            added=None if codes is None or values is None else _added(codes, values, start),
            at_once=positions_at_once,
        )
        if with_gradients:
            counts = [len(one) for one in by_rank]
            mine = summed(of_states).split(counts)[rank()].clone()
            values_mine = None
            if values is not None and of_values is not None:
                values_mine = summed(of_values).split(counts)[rank()][:, : values.shape[1]].clone()
            ctx.save_for_backward(mine, of_table, of_bias, values_mine)
        return total / size()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_states, of_table, of_bias, of_values = ctx.saved_tensors
        values = None if of_values is None else above * of_values
        return above * of_states, above * of_table, above * of_bias, *[None] * 3, values, *[None] * 3


def _added(codes: torch.Tensor, values: torch.Tensor, start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all ranks' added values, as wide as the widest, and the rows of this process that they belong to."""
    most = int(largest(torch.tensor([codes.shape[1]], device=codes.device)))
    wider = (0, most - codes.shape[1])
    wide_codes = torch.nn.functional.pad(codes, wider)
    wide_values = torch.nn.functional.pad(values, wider)  # of zeros: they add nothing
    return torch.cat(gathered(wide_codes)) - start, torch.cat(gathered(wide_values))


def _over_parts(
    states: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor,
    rows: torch.Tensor,
    shares: torch.Tensor,
    *,
    added: tuple[torch.Tensor, torch.Tensor] | None,
    at_once: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return the loss and this process's part of the gradients; ``rows``: the targets', beyond it elsewhere."""
    total = states.new_zeros(())
    of_states, of_table, of_bias = (torch.zeros_like(one) for one in (states, table, bias))
    of_values = None if added is None else torch.zeros_like(added[1])
    with torch.autocast(states.device.type, enabled=False):
        for first in range(0, len(rows), at_once):
            part = slice(first, first + at_once)
            share, (target, here) = shares[part, None], _within(rows[part, None], len(table))
            logits = torch.addmm(bias, states[part], table.T)
            if added is not None:
                code, present = _within(added[0][part], len(table))
                _scatter(logits, code, added[1][part] * present)
            true = _gather(logits, target).where(here, 0)  # not a product: a logit may be infinite
            top = largest(_highest(logits))
            exponentials = logits.sub_(top).exp_()
            mass, true = summed(torch.stack([exponentials.sum(1, keepdim=True), true]))
            total += ((mass.log() + top - true) * share).sum()
            slopes = exponentials.mul_(share / mass)
            _scatter(slopes, target, -share * here)
            of_states[part] = slopes @ table
            of_table.addmm_(slopes.T, states[part])
            of_bias += slopes.sum(0)
            if of_values is not None:
                of_values[part] = _gather(slopes, code) * present
    return total, of_states, of_table, of_bias, of_values


def _within(rows: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows moved into 0..n-1, and which of them were there."""
    return rows.clamp(0, max(n - 1, 0)), (rows >= 0) & (rows < n)


def _highest(logits: torch.Tensor) -> torch.Tensor:
    if logits.shape[1]:
        return logits.amax(1, keepdim=True)
    return logits.new_full((len(logits), 1), -torch.inf)


def _gather(logits: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return the logits at columns; zeros where a process holds no item."""
    return logits.gather(1, columns) if logits.shape[1] else torch.zeros_like(columns, dtype=logits.dtype)


def _scatter(logits: torch.Tensor, columns: torch.Tensor, values: torch.Tensor) -> None:
    if logits.shape[1]:
        logits.scatter_add_(1, columns, values)
