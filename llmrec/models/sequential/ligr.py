"""Causal self-attention in LiGR blocks: each adds attention and a SwiGLU as far as a gate lets it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from llmrec.models.sequential.networks import SequenceNetwork


class LiGRNetwork(SequenceNetwork):
    """SASRec with learned positions and LiGR blocks (eSASRec, Tikhonovich et al. 2025, arXiv 2508.06450)."""

    def __init__(self, n_items: int, *, dim: int, layers: int, heads: int, dropout: float, max_items: int) -> None:
        super().__init__(n_items, dim=dim, dropout=dropout)
        self.positions = nn.Parameter(torch.randn(max_items + 1, dim) * dim**-0.5)
        self.blocks = nn.ModuleList(LiGRBlock(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def read(self, embedded: torch.Tensor) -> torch.Tensor:
        """Add positions and attend to the past."""
        length = embedded.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=embedded.device)
        hidden = self.dropout(embedded + self.positions[:length])
        for block in self.blocks:
            hidden = block(hidden, mask)
        states: torch.Tensor = self.norm(hidden)
        return states


class LiGRBlock(nn.Module):
    """x + sigmoid(W x) * f(norm(x)), f attention and then SwiGLU (Borisyuk et al. 2025, arXiv 2502.03417)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.feed_forward = _SwiGLU(dim, 4 * dim, dropout)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention_gate, self.feed_forward_gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return [n, length, dim] of the same; ``mask`` [length, length] is added to attention."""
        normed = self.attention_norm(hidden)
        attended = self.attention(normed, normed, normed, attn_mask=mask, is_causal=True, need_weights=False)[0]
        hidden = hidden + torch.sigmoid(self.attention_gate(hidden)) * self.dropout(attended)
        changed = self.feed_forward(self.feed_forward_norm(hidden))
        added: torch.Tensor = torch.sigmoid(self.feed_forward_gate(hidden)) * self.dropout(changed)
        return hidden + added


class _SwiGLU(nn.Module):
    """W3 (silu(W1 x) * W2 x) (Shazeer 2020)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        opened: torch.Tensor = self.down(self.dropout(functional.silu(self.gate(values)) * self.up(values)))
        return opened
