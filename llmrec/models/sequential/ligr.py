"""Causal self-attention in LiGR blocks, with a bias by the times of events."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from llmrec.models.sequential.gap_bias import GapBias
from llmrec.models.sequential.networks import SequenceNetwork
from llmrec.training.losses import predictions_of


class LiGRNetwork(SequenceNetwork):
    """SASRec with learned positions and LiGR blocks (eSASRec, Tikhonovich et al. 2025, arXiv 2508.06450)."""

    def __init__(
        self,
        n_items: int,
        *,
        dim: int,
        layers: int,
        heads: int,
        dropout: float,
        max_items: int,
        time_bias: bool = False,
    ) -> None:
        super().__init__(n_items, dim=dim, dropout=dropout)
        self.positions = nn.Parameter(torch.randn(max_items + 1, dim) * dim**-0.5)
        self.blocks = nn.ModuleList(LiGRBlock(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.gap_bias = GapBias(heads, max_items) if time_bias else None

    def read(self, embedded: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Add positions and attend to the past; ``bias`` [n, heads, length, length] is added to attention."""
        length = embedded.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=embedded.device)
        if bias is not None:
            mask = (mask + bias).flatten(0, 1)
        hidden = self.dropout(embedded + self.positions[:length])
        for block in self.blocks:
            hidden = block(hidden, mask)
        states: torch.Tensor = self.norm(hidden)
        return states

    def states(self, inputs: torch.Tensor, seconds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the state after each of the first t inputs: [n, length + 1, dim].

        ``seconds`` [n, length]: when each event happened, as ``GapBias`` takes it; None: not known.
        """
        start = len(self.bias)
        codes = functional.pad(torch.where(inputs < 0, start, inputs), (1, 0), value=start)
        bias = None
        if self.gap_bias is not None:
            bias = self.gap_bias(torch.full_like(inputs, -1) if seconds is None else seconds)
        states: torch.Tensor = self.out(self.dropout(self.read(self.embed(codes), bias)))
        return states

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        n_tokens: torch.Tensor,
        context_positions: torch.Tensor | None = None,
        seconds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss over all targets; ``context_positions`` as ``predictions_of`` takes them."""
        predictions = predictions_of(targets, context_positions)
        return self.loss_of(self.states(inputs, seconds), inputs, targets, predictions)


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
        """Return [n, length, dim] of the same; ``mask`` is added to attention: [(n * heads,) length, length]."""
        normed = self.attention_norm(hidden)
        attended = self.attention(normed, normed, normed, attn_mask=mask, need_weights=False)[0]
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
