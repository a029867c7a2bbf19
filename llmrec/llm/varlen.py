"""Attention over histories packed end to end, by PyTorch's variable-length flash kernel, on a GPU that has it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from llmrec.errors import ModelError
from llmrec.llm.backbone import transformer_blocks

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel

NAME = "llmrec_varlen"
# What attention functions of transformers may be given besides, and the kernel does not take.
NOT_COMPUTED = ("dropout", "softcap", "s_aux", "position_bias")
LARGEST_HEAD = 256  # dimensions, of the flash kernels


def use_varlen(model: PreTrainedModel | PeftModel, *, wanted: bool = True) -> bool:
    """Let a model's blocks attend by ``varlen_attention`` where it is wanted and they can; say whether they do.

    It takes a GPU, half precision, PyTorch 2.11 or later, and a model that takes attention functions from
    transformers and asks nothing more of them than a causal softmax, with or without a sliding window.
    """
    import torch

    if not wanted:
        return False
    blocks: Any = transformer_blocks(model)
    config = blocks.config
    weight = next(blocks.parameters())
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if (
        weight.device.type != "cuda"
        or weight.dtype not in (torch.float16, torch.bfloat16)
        or not _kernel_known()
        or getattr(config, "_attn_implementation", None) != "sdpa"
        or getattr(config, "attn_logit_softcapping", None) is not None
        or int(head) > LARGEST_HEAD
    ):
        return False
    register()
    blocks.set_attn_implementation(NAME)
    return True


def register() -> None:
    """Make the function known to transformers; whatever is not packed is masked and attended to as by sdpa."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, varlen_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def lengths_option(mask: torch.Tensor) -> dict[str, Any]:
    """Return where each history of a padded batch begins once packed, as ``varlen_attention`` takes it.

    ``mask`` [n, length]. A mask of four dimensions is passed on by transformers as it is: this one says nothing,
    and keeps it from making one of length times length.
    """
    import torch

    lengths = mask.sum(1)
    starts = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
    longest = mask.shape[1]
    return {
        "attention_mask": mask.new_zeros(1, 1, 1, 1),
        "cu_seq_lens_q": starts,
        "cu_seq_lens_k": starts,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def varlen_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each history. ``query`` [1, heads, total, dim], ``key`` and ``value`` maybe with fewer heads.

    Returns [1, total, heads, dim]. Where no lengths are given, it is transformers' sdpa. Raises ModelError for a
    model that wants what the kernel does not compute: nothing is left out without a word.
    """
    if cu_seq_lens_q is None or max_length_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
        return attended, None
    if lacking := [name for name in NOT_COMPUTED if _is_given(options.get(name))]:
        raise ModelError(f"train.pack: packed attention has no {', '.join(lacking)}; set train.pack=false")
    groups = query.shape[1] // key.shape[1]
    rows = [part[0].transpose(0, 1).to(value.dtype) for part in (query, key, value)]
    repeated = [part.repeat_interleave(groups, dim=1) if groups > 1 else part for part in rows[1:]]
    left = -1 if sliding_window is None else sliding_window - 1
    attended = _kernel()(
        rows[0].contiguous(),
        repeated[0].contiguous(),
        repeated[1].contiguous(),
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=(left, 0),
    )
    return attended[None], None


def _kernel() -> Any:
    from torch.nn.attention import varlen

    return varlen.varlen_attn


def _kernel_known() -> bool:
    try:
        return {"window_size", "scale"} <= set(inspect.signature(_kernel()).parameters)
    except ImportError:
        return False


def _is_given(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and value == 0.0)
