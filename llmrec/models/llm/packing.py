"""Pack a padded batch end to end into one row, so that no position is wasted and no history sees another."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from llmrec.errors import ModelError
from llmrec.llm.varlen import NAME, lengths_option


def read_packed(
    run: Callable[..., torch.Tensor],
    mask: torch.Tensor,
    blocks: nn.Module,
    embedded: torch.Tensor,
    wanted: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what ``run`` makes of a batch [n, length, hidden], packed to the positions that ``mask`` has.

    States hold where ``wanted`` [n, length] is true, by default everywhere; at padding they are zeros. Raises
    ModelError as ``packed`` does.
    """
    row, options = packed(embedded, mask, blocks)
    states = run(blocks, row, wanted=None if wanted is None else wanted[mask][None], **options)
    return unpacked(states, mask)


def packed(embedded: torch.Tensor, mask: torch.Tensor, blocks: nn.Module) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return the positions of a batch [n, length, hidden] that ``mask`` has as one row, and the blocks' options.

    Positions count from each history's start. Attention stays within a history: by their lengths for
    ``varlen_attention``, by the positions for flash attention and for models with a sliding window, by a mask for
    the others. Raises ModelError for a model that takes no positions.
    """
    if "position_ids" not in inspect.signature(blocks.forward).parameters:
        raise ModelError("train.pack: this base model takes no positions; set train.pack=false")
    n, length = mask.shape
    positions = torch.arange(length, device=mask.device).expand(n, length)[mask]
    history = torch.arange(n, device=mask.device)[:, None].expand(n, length)[mask]
    options: dict[str, Any] = {"position_ids": positions[None]}
    attention = str(getattr(blocks.config, "_attn_implementation", "eager"))
    # A mask of ours would stand for all blocks; those with a sliding window need another, made from the positions.
    sliding = getattr(blocks.config, "sliding_window", None) is not None
    if attention == NAME:
        options |= lengths_option(mask)
    elif "flash" not in attention and not sliding:
        order = torch.arange(len(history), device=mask.device)
        attends = (history[:, None] == history) & (order[:, None] >= order)
        added = torch.zeros(attends.shape, dtype=embedded.dtype, device=mask.device).masked_fill(
            ~attends, torch.finfo(embedded.dtype).min
        )
        options["attention_mask"] = added[None, None]
    return embedded[mask][None], options


def unpacked(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Put the states of one row [1, total, hidden] back into their batch, zeros at padding."""
    batch = states.new_zeros((*mask.shape, states.shape[-1]))
    batch[mask] = states[0]
    return batch
