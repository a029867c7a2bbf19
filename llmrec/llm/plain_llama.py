"""The first blocks of a Llama in plain PyTorch, to read with: transformers and peft take seconds to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import nn
from torch.nn import functional

from llmrec.resources.bounded import UnreadableError, read_json

CONFIG, WEIGHTS = "config.json", "model.safetensors"
AS_WRITTEN = ("vocab_size", "hidden_size", "intermediate_size", "rms_norm_eps", "max_position_embeddings")
# What a config may say that is not computed here, with the only value that it may have.
FIXED = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "quantization_config": None}
# What it may say of positions: "type" as configs before 2024 do.
ROPE = {"rope_type", "type", "rope_theta"}


@dataclass(frozen=True)
class PlainConfig:
    """What a Llama's config says, of as many blocks as are read."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float

    @classmethod
    def of(cls, folder: Path, layers: int | None) -> Self | None:
        """Read a model's folder; None for what is no plain Llama with its weights in one file of safetensors."""
        try:
            values: dict[str, Any] = read_json(folder / CONFIG)
            rope = values.get("rope_scaling") or values.get("rope_parameters") or {}
            depth, heads, width = (
                int(values[name]) for name in ("num_hidden_layers", "num_attention_heads", "hidden_size")
            )
            is_plain = (
                values["model_type"] == "llama"
                and all(values.get(name, value) == value for name, value in FIXED.items())
                and rope.keys() <= ROPE  # of another kind, or in each kind of block, there are more
                and {rope.get(name, "default") for name in ("rope_type", "type")} == {"default"}
                and (layers or depth) <= depth
                and (folder / WEIGHTS).is_file()
            )
            config = cls(
                **{name: values[name] for name in AS_WRITTEN},
                num_hidden_layers=layers or depth,
                num_attention_heads=heads,
                num_key_value_heads=values.get("num_key_value_heads") or heads,
                head_dim=values.get("head_dim") or width // heads,
                rope_theta=float(rope.get("rope_theta") or values.get("rope_theta") or 10_000),
            )
        except (UnreadableError, OSError, KeyError, TypeError, ValueError, AttributeError):
            return None  # whoever reads it whole says what is wrong
        return config if is_plain else None


class BlockOutput(NamedTuple):
    """The states after the last block, [n, length, hidden]."""

    last_hidden_state: torch.Tensor


class KeysAndValues:
    """The keys and values of one block so far, [n, heads, length, head_dim] each."""

    keys: torch.Tensor
    values: torch.Tensor

    def update(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new positions, and return all."""
        if hasattr(self, "keys"):
            keys, values = torch.cat([self.keys, keys], dim=2), torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values


class PlainCache:
    """A key-value cache, used as that of transformers is."""

    def __init__(self, n_layers: int) -> None:
        self.layers = [KeysAndValues() for _ in range(n_layers)]

    def update(self, keys: torch.Tensor, values: torch.Tensor, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new positions of a block, and return all of it."""
        return self.layers[layer].update(keys, values)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been read."""
        return not hasattr(self.layers[0], "keys")


class PlainLlama(nn.Module):
    """Computes the states that transformers' Llama does, its weights under the same names; it does not train."""

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([_Block(config) for _ in range(config.num_hidden_layers)])
        self.norm = _Norm(config)

    @property
    def base_model(self) -> Self:
        """The blocks: there is no head here."""
        return self

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.embed_tokens.weight.dtype

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the tokens' embeddings."""
        return self.embed_tokens

    def empty_cache(self) -> PlainCache:
        """Return a cache for ``forward``."""
        return PlainCache(len(self.layers))

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: PlainCache | None = None,
        use_cache: bool = False,
    ) -> BlockOutput:
        """Read embedded tokens [n, length, hidden] after what ``cache`` holds, which takes them in.

        ``attention_mask`` [n, cached + length]: 1 at what may be read; needed, and ``position_ids`` [n, length],
        where the cache is not empty. Raises ValueError without.
        """
        if cache is not None and not cache.is_empty and (attention_mask is None or position_ids is None):
            raise ValueError("after cached tokens, attention_mask and position_ids must say what is read")
        states, length = inputs_embeds, inputs_embeds.shape[1]
        if position_ids is None:
            position_ids = torch.arange(length, device=states.device)[None]
        mask = None
        if attention_mask is not None:
            earlier = torch.arange(attention_mask.shape[1], device=states.device)
            upto = attention_mask.shape[1] - length + torch.arange(length, device=states.device)
            mask = attention_mask[:, None, None].bool() & (earlier <= upto[:, None])
        angles = self._angles(position_ids)
        turns = angles.cos().to(states.dtype), angles.sin().to(states.dtype)
        for number, block in enumerate(self.layers):
            states = block(states, turns, mask, None if cache is None else (cache, number))
        return BlockOutput(self.norm(states))

    def _angles(self, position_ids: torch.Tensor) -> torch.Tensor:
        """Return each position's angles, [n, 1, length, head_dim], in float32."""
        dim, theta = self.config.head_dim, self.config.rope_theta
        steps = torch.arange(0, dim, 2, dtype=torch.float32, device=position_ids.device)
        half = position_ids[..., None].float() * (1.0 / theta ** (steps / dim))
        return torch.cat([half, half], dim=-1)[:, None]


class _Norm(nn.Module):
    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(config.hidden_size)), config.rms_norm_eps

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        exact = states.float()
        scaled: torch.Tensor = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * scaled.to(states.dtype)


class _Attention(nn.Module):
    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.head_dim, width = config.head_dim, config.hidden_size
        self.n_shared = config.num_attention_heads // config.num_key_value_heads
        queries, keys = config.num_attention_heads * self.head_dim, config.num_key_value_heads * self.head_dim
        self.q_proj, self.k_proj = nn.Linear(width, queries, bias=False), nn.Linear(width, keys, bias=False)
        self.v_proj, self.o_proj = nn.Linear(width, keys, bias=False), nn.Linear(queries, width, bias=False)

    def forward(self, states: torch.Tensor, turns: Any, mask: torch.Tensor | None, cache: Any) -> torch.Tensor:
        shape = (*states.shape[:-1], -1, self.head_dim)
        queries, keys, values = (
            project(states).view(shape).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        queries, keys = _turned(queries, *turns), _turned(keys, *turns)
        if cache is not None:
            keys, values = cache[0].update(keys, values, cache[1])
        if mask is not None:
            keys, values = (part.repeat_interleave(self.n_shared, dim=1) for part in (keys, values))
        attended = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None,
            enable_gqa=mask is None and self.n_shared > 1,
        )
        mixed: torch.Tensor = self.o_proj(attended.transpose(1, 2).reshape(*states.shape[:-1], -1))
        return mixed


class _Perceptron(nn.Module):
    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.gate_proj, self.up_proj = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        computed: torch.Tensor = self.down_proj(functional.silu(self.gate_proj(states)) * self.up_proj(states))
        return computed


class _Block(nn.Module):
    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.self_attn, self.mlp = _Attention(config), _Perceptron(config)
        self.input_layernorm, self.post_attention_layernorm = _Norm(config), _Norm(config)

    def forward(self, states: torch.Tensor, turns: Any, mask: torch.Tensor | None, cache: Any) -> torch.Tensor:
        states = states + self.self_attn(self.input_layernorm(states), turns, mask, cache)
        computed: torch.Tensor = states + self.mlp(self.post_attention_layernorm(states))
        return computed


def _turned(heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Turn queries or keys [n, heads, length, head_dim] by their positions' angles (RoPE, Su et al. 2021)."""
    one, other = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat([-other, one], dim=-1) * sines
