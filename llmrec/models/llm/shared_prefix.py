"""Words that all histories of a batch begin with, read once: of a shop's short histories they are the most."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmrec.llm.backbone import cache_option, empty_cache, is_checkpointed, repeated_cache
from llmrec.training.fsdp import are_divided

if TYPE_CHECKING:
    import torch

# What is saved must be this share of a batch's positions: reading in two steps costs something, too.
LEAST_SAVED = 0.1


def reads_cached(blocks: Any) -> bool:
    """Whether a position's state is the same where what stands before it was read earlier.

    Not so for sliding windows and recurrent blocks, which read what is so far back, nor for blocks that keep
    nothing for later: those of gradient checkpointing, and those divided over processes.
    """
    config, forward = blocks.config, inspect.signature(blocks.forward).parameters
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    is_full = kinds == {"full_attention"} and getattr(config, "sliding_window", None) is None
    takes = {"position_ids", "attention_mask"} <= forward.keys()
    return is_full and takes and not is_checkpointed(blocks) and not are_divided(blocks)


def read_rows(
    run: Callable[..., torch.Tensor],
    tokens: torch.Tensor,
    blocks: torch.nn.Module,
    embedded: torch.Tensor,
    wanted: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return what ``run`` makes of rows [n_rows, length, hidden], states of the same shape, but for rounding.

    ``tokens`` [n_rows, length]: -1 where something else than a token is embedded. Those that all rows begin with
    are read once. Gradients are those of reading all. States hold where ``wanted`` [n_rows, length] is true, by
    default everywhere.
    """
    import torch

    n_rows, length = tokens.shape
    n = _n_shared(tokens)
    if n == 0 or not reads_cached(blocks):
        return run(blocks, embedded, wanted=wanted)
    beginning = empty_cache(blocks)
    first = run(
        blocks,
        embedded[:1, :n],
        wanted=None if wanted is None else wanted[:, :n].any(0)[None],
        use_cache=True,
        **cache_option(blocks, beginning),
    )
    rest = run(
        blocks,
        embedded[:, n:],
        wanted=None if wanted is None else wanted[:, n:],
        use_cache=True,
        position_ids=torch.arange(n, length, device=embedded.device).expand(n_rows, -1),
        attention_mask=torch.ones(n_rows, length, dtype=torch.long, device=embedded.device),
        **cache_option(blocks, repeated_cache(blocks, beginning, n, n_rows)),
    )
    return torch.cat([first.expand(n_rows, -1, -1), rest], dim=1)


def _n_shared(tokens: torch.Tensor) -> int:
    """Return how many tokens all rows begin with, 0 where reading them once saves little; one position is left."""
    same = ((tokens == tokens[:1]) & (tokens >= 0)).all(dim=0).cpu()  # one wait for the device, not several
    n = min(int(same.cumprod(dim=0).sum()), tokens.shape[1] - 1)
    return n if (len(tokens) - 1) * n >= LEAST_SAVED * tokens.numel() else 0
