"""Positions whose states are read: of the others a model's last block computes keys and values, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from llmrec.llm.backbone import is_checkpointed
from llmrec.training.fsdp import are_divided

if TYPE_CHECKING:
    import torch
    from torch import nn

# Parts of a block that make a position's output of that position alone, which no other position looks at.
BY_POSITION = frozenset(("q_proj", "o_proj", "mlp"))
# What is left out must be this share of the positions: picking the others costs something, too.
LEAST_SAVED = 0.1
CHECKED, TOLERANCE = 8, 0.02  # tokens whose states must be as before, by this share of the largest


class _Picked(NamedTuple):
    """Positions [n_picked] of all rows laid end to end, and how many rows there are and how long they are."""

    positions: torch.Tensor
    shape: torch.Size


# Of a context, not of a model: several threads may read by one at once.
_PICKED: ContextVar[_Picked | None] = ContextVar("positions that are read", default=None)


@contextmanager
def reading(blocks: nn.Module, wanted: torch.Tensor | None) -> Iterator[None]:
    """Let ``blocks`` return states that hold only where ``wanted`` [n, length] is true; None: everywhere."""
    token = _PICKED.set(None if wanted is None else _picked(blocks, wanted))
    try:
        yield
    finally:
        _PICKED.reset(token)


def at_positions(positions: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return what ``reading`` takes for a batch of shape (n, length) that is read at ``positions`` [n, m]."""
    import torch

    return torch.zeros(shape, dtype=torch.bool, device=positions.device).scatter_(1, positions, True)


def pick_positions(blocks: Any, embed: nn.Module) -> None:
    """Let the last of a model's blocks do as ``reading`` says, unless that would change the states that are read.

    ``embed`` looks tokens up.
    """
    from torch import nn

    depth = getattr(blocks.config, "num_hidden_layers", None)
    lists = [one for one in blocks.children() if isinstance(one, nn.ModuleList) and len(one) == depth]
    if len(lists) != 1:
        return
    parts = [one for name, one in lists[0][-1].named_modules() if name.rsplit(".", 1)[-1] in BY_POSITION]
    if any(_pick in part._forward_pre_hooks.values() for part in parts):
        return
    hooks = [part.register_forward_pre_hook(_pick) for part in parts]
    hooks += [part.register_forward_hook(_put_back) for part in parts]
    if not _alike(blocks, embed):
        for hook in hooks:
            hook.remove()


def _picked(blocks: nn.Module, wanted: torch.Tensor) -> _Picked | None:
    """Return the positions; None where few are left out, or blocks do not compute them here and now alone."""
    positions = wanted.flatten().nonzero()[:, 0]
    if len(positions) > (1 - LEAST_SAVED) * wanted.numel() or is_checkpointed(blocks) or are_divided(blocks):
        return None
    return _Picked(positions, wanted.shape)


def _pick(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Take what is read of a part's input [n, length, width]: [1, n_picked, width]."""
    picked = _PICKED.get()
    if picked is None:
        return None
    states, *others = inputs
    return states.flatten(0, 1).index_select(0, picked.positions)[None], *others


def _put_back(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
    """Put a part's output where its input was taken, zeros everywhere else."""
    picked = _PICKED.get()
    if picked is None:
        return None
    n, length = picked.shape
    # Each position once: the gradient of what is copied has one term.
    whole = output.new_zeros(n * length, output.shape[-1]).index_copy(0, picked.positions, output[0])
    return whole.view(n, length, -1)


def _alike(blocks: Any, embed: nn.Module) -> bool:
    """Whether the states that are read are those of reading all."""
    import torch

    device = next(blocks.parameters()).device
    embedded = embed(torch.arange(CHECKED, device=device).view(2, -1))
    wanted = torch.tensor([[True, False, False, True], [False, False, True, False]], device=device)
    with torch.no_grad():
        expected = blocks(inputs_embeds=embedded, use_cache=False).last_hidden_state
        try:
            with reading(blocks, wanted):
                states = blocks(inputs_embeds=embedded, use_cache=False).last_hidden_state
        except (AttributeError, RuntimeError, TypeError, ValueError):
            return False  # a part of that name takes or gives something else
    return bool((states - expected)[wanted].abs().max() <= TOLERANCE * expected.abs().max())
