"""Attention by lengths gives what attention by a mask gives; what is not packed is sdpa's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from llmrec.errors import ModelError
from llmrec.llm import varlen
from llmrec.llm.backbone import transformer_blocks
from llmrec.llm.weights import load_causal_lm
from llmrec.models.llm.packing import packed, unpacked


def reference(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    _: torch.Tensor,
    longest: int,
    __: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
) -> torch.Tensor:
    """Attend history by history: what the kernel computes on a GPU."""
    outputs, left = [], window_size[0]
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        q, k, v = (part[first:last].transpose(0, 1) for part in (query, key, value))
        steps = torch.arange(last - first)
        distance = steps[:, None] - steps
        sees = (distance >= 0) & ((distance <= left) if left >= 0 else True)
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=sees, scale=scale)
        outputs.append(attended.transpose(0, 1))
    return torch.cat(outputs)


@pytest.fixture
def blocks(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    monkeypatch.setattr(varlen, "_kernel", lambda: reference)
    model, _ = load_causal_lm(str(tiny_base), dtype="float32")
    return transformer_blocks(model)


def test_packed_by_lengths_is_packed_by_a_mask(blocks: torch.nn.Module) -> None:
    torch.manual_seed(0)
    batch = torch.randn(3, 7, blocks.config.hidden_size)  # type: ignore[union-attr, arg-type]
    mask = torch.arange(7) < torch.tensor([7, 2, 5])[:, None]
    states = {}
    for name in ("sdpa", varlen.NAME):
        varlen.register()
        blocks.set_attn_implementation(name)  # type: ignore[operator]
        row, options = packed(batch, mask, blocks)
        assert ("cu_seq_lens_q" in options) == (name == varlen.NAME)
        states[name] = unpacked(blocks(inputs_embeds=row, use_cache=False, **options).last_hidden_state, mask)
    torch.testing.assert_close(states["sdpa"], states[varlen.NAME], atol=1e-5, rtol=1e-5)


def test_what_is_not_packed_is_attended_to_as_by_sdpa(blocks: torch.nn.Module) -> None:
    torch.manual_seed(0)
    batch = torch.randn(2, 6, blocks.config.hidden_size)  # type: ignore[union-attr, arg-type]
    padding = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    states = {}
    for name in ("sdpa", varlen.NAME):
        varlen.register()
        blocks.set_attn_implementation(name)  # type: ignore[operator]
        whole = blocks(inputs_embeds=batch, use_cache=False).last_hidden_state
        states[name] = whole, blocks(inputs_embeds=batch, attention_mask=padding).last_hidden_state[:, 2:]
    for one, other in zip(states["sdpa"], states[varlen.NAME], strict=True):
        torch.testing.assert_close(one, other)


def test_a_cpu_keeps_its_attention(tiny_base: Path) -> None:
    model, _ = load_causal_lm(str(tiny_base), dtype="float32")
    assert not varlen.use_varlen(model)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("option", [{"dropout": 0.1}, {"softcap": 30.0}])
def test_what_the_kernel_does_not_compute_is_refused(option: dict[str, Any]) -> None:
    heads = torch.randn(1, 2, 3, 4)
    starts = torch.tensor([0, 3], dtype=torch.int32)
    with pytest.raises(ModelError, match=r"train\.pack=false"):
        varlen.varlen_attention(
            torch.nn.Module(), heads, heads, heads, None, cu_seq_lens_q=starts, max_length_q=3, **option
        )
