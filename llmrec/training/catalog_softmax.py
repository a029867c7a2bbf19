"""The exact softmax over a catalog, a part of the positions at a time: their logits are never held together."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from llmrec.training.distributed import batch_count, batch_sum, size
from llmrec.training.divided_softmax import DividedSoftmax

# Logits at once: what a CPU core's cache holds, and what a GPU is busy with.
AT_ONCE = {"cpu": 2**19, "cuda": 2**26}
# Positions at once, however large the catalog: each part reads all of it.
LEAST = 64

# Codes [n, m] and what is added to their logits [n, m]; a code may occur more than once.
Added = tuple[torch.Tensor, torch.Tensor]


def catalog_loss(
    states: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor,
    targets: torch.Tensor,
    *,
    weights: torch.Tensor | None = None,
    added: Added | None = None,
    share: slice | None = None,
) -> torch.Tensor:
    """Mean cross-entropy of the true next item among all items, as ``catalog_cross_entropy`` has it.

    The logits are ``states`` [n, dim] times ``table`` [n_items, dim], plus ``bias`` [n_items] (-inf: out of it),
    plus what is ``added``. ``targets`` [n] are codes; with ``weights`` [n] the weighted mean. Each part's gradient
    is computed with its loss, while its logits are in the cache (as in Cut Cross-Entropy, Wijmans et al. 2025):
    faster than all at once, in a fraction of the memory.

    ``share``: of several processes that have divided the items, the codes of this one, of which ``table`` has the
    vectors. Every one must come here, also with no target.
    """
    if weights is None:
        n = batch_count(len(targets))
        shares = torch.full_like(targets, 1 / max(n, 1), dtype=torch.float32)
    else:
        shares = weights.float() / batch_sum(weights.sum()).clamp(min=1e-6)
    codes, values = added if added is not None else (None, None)
    values = None if values is None else values.float()
    loss: torch.Tensor
    if share is not None:
        of_share = states.float(), table.float(), bias[share].float()
        rows = positions_at_once(states.device.type, -(-len(bias) // size()))
        loss = DividedSoftmax.apply(  # type: ignore[no-untyped-call]
            *of_share, targets, shares, codes, values, share.start, rows, torch.is_grad_enabled()
        )
        return loss
    if not len(targets):  # a batch whose windows all begin amid a basket: a mean over nothing would be NaN
        return states.sum()
    loss = _ChunkedSoftmax.apply(  # type: ignore[no-untyped-call]
        states.float(), table.float(), bias.float(), targets, shares, codes, values, torch.is_grad_enabled()
    )
    return loss


def positions_at_once(device: str, n_items: int) -> int:
    """Return of how many positions the logits over so many items are held together."""
    return max(AT_ONCE.get(device, AT_ONCE["cuda"]) // n_items, LEAST)


class _ChunkedSoftmax(torch.autograd.Function):
    """Sum of shares times cross-entropy; the gradients are computed in the forward pass."""

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
        with_gradients: bool,
    ) -> torch.Tensor:
        total = states.new_zeros(())
        if with_gradients:
            of_states, of_table, of_bias = (torch.zeros_like(one) for one in (states, table, bias))
            of_values = None if values is None else torch.zeros_like(values)
            ctx.save_for_backward(of_states, of_table, of_bias, of_values)
        rows = positions_at_once(states.device.type, len(table))
        with torch.autocast(states.device.type, enabled=False):
            for start in range(0, len(targets), rows):
                part = slice(start, start + rows)
                logits = torch.addmm(bias, states[part], table.T)
                if codes is not None and values is not None:
                    logits.scatter_add_(1, codes[part], values[part])
                target, share = targets[part, None], shares[part, None]
                true = logits.gather(1, target)
                top = logits.amax(1, keepdim=True)
                exponentials = logits.sub_(top).exp_()
                mass = exponentials.sum(1, keepdim=True)
                total += ((mass.log() + top - true) * share).sum()
                if not with_gradients:
                    continue
                slopes = exponentials.mul_(share / mass).scatter_add_(1, target, -share)
                of_states[part] = slopes @ table
                of_table.addmm_(slopes.T, states[part])
                of_bias += slopes.sum(0)
                if codes is not None and of_values is not None:
                    of_values[part] = slopes.gather(1, codes[part])
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_states, of_table, of_bias, of_values = ctx.saved_tensors
        values = None if of_values is None else above * of_values
        return above * of_states, above * of_table, above * of_bias, None, None, None, values, None
