"""Lay a padded batch end to end in one row, so that no position is wasted and no history sees another."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from llmrec.errors import ModelError


def packed(embedded: torch.Tensor, inside: torch.Tensor, blocks: nn.Module) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return the positions ``inside`` [n, length] of a batch [n, length, hidden] as one row, and what to pass on.

    Positions count from each history's start. Attention stays within a history: by the positions for flash
    attention and for models that look back a limited way, by a mask for the others. Raises ModelError for a model
    that takes no positions.
    """
    if "position_ids" not in inspect.signature(blocks.forward).parameters:
        raise ModelError("train.pack: this base model takes no positions; set train.pack=false")
    n, length = inside.shape
    places = torch.arange(length, device=inside.device).expand(n, length)[inside]
    history = torch.arange(n, device=inside.device)[:, None].expand(n, length)[inside]
    options: dict[str, Any] = {"position_ids": places[None]}
    attention = str(getattr(blocks.config, "_attn_implementation", "eager"))
    # A mask of ours would stand for all blocks; those with a sliding window need another, made from the positions.
    sliding = getattr(blocks.config, "sliding_window", None) is not None
    if "flash" not in attention and not sliding:
        order = torch.arange(len(history), device=inside.device)
        seen = (history[:, None] == history) & (order[:, None] >= order)
        hides = torch.zeros(seen.shape, dtype=embedded.dtype, device=inside.device).masked_fill(
            ~seen, torch.finfo(embedded.dtype).min
        )
        options["attention_mask"] = hides[None, None]
    return embedded[inside][None], options


def unpacked(states: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Lay the states of one row [1, total, hidden] out as they were, zeros for padding."""
    out = states.new_zeros((*inside.shape, states.shape[-1]))
    out[inside] = states[0]
    return out
