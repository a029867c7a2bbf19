"""The networks of the baselines over item ids: recurrent and causal attention, with one way to score and learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import nn

from llmrec.training.objective import catalog_cross_entropy


class SequenceNetwork(nn.Module, ABC):
    """Item embedding, a sequence model, and scores by the same embedding.

    Code ``n_items`` is the start of every sequence: an empty history has a state too.
    """

    def __init__(self, n_items: int, *, dim: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim)
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(n_items))

    @abstractmethod
    def read(self, embedded: torch.Tensor) -> torch.Tensor:
        """Return a state for each position, from it and those before only: [n, length, dim] to the same."""

    def states(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the state after each of the first t inputs, t = 0..length: [n, length + 1, dim].

        ``inputs`` are codes [n, length], -1 where a row is shorter: padding stands right of everything,
        where no state before it looks.
        """
        start = len(self.bias)
        codes = torch.where(inputs < 0, start, inputs)
        first = torch.full((len(inputs), 1), start, dtype=codes.dtype, device=codes.device)
        codes = torch.cat([first, codes], dim=1)
        states: torch.Tensor = self.out(self.dropout(self.read(self.items(codes))))
        return states

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """Score every item: [..., n_items]."""
        return states @ self.items.weight[:-1].T + self.bias

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, n_tokens: torch.Tensor) -> torch.Tensor:
        """Return the loss over all positions with a target."""
        taught = targets >= 0
        return catalog_cross_entropy(self.scores(self.states(inputs)[taught]), targets[taught])


class RecurrentNetwork(SequenceNetwork):
    """GRU or LSTM layers (GRU4Rec, Hidasi et al. 2016)."""

    def __init__(
        self, cell: Literal["gru", "lstm"], n_items: int, *, dim: int, layers: int, dropout: float
    ) -> None:
        super().__init__(n_items, dim=dim, dropout=dropout)
        kind = nn.GRU if cell == "gru" else nn.LSTM
        self.cells = kind(dim, dim, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def read(self, embedded: torch.Tensor) -> torch.Tensor:
        """Run the cells."""
        hidden: torch.Tensor = self.cells(self.dropout(embedded))[0]
        return hidden


class AttentionNetwork(SequenceNetwork):
    """Causal self-attention with learned positions, pre-normalized (SASRec, Kang & McAuley 2018)."""

    def __init__(self, n_items: int, *, dim: int, layers: int, heads: int, dropout: float, max_items: int) -> None:
        super().__init__(n_items, dim=dim, dropout=dropout)
        self.positions = nn.Parameter(torch.randn(max_items + 1, dim) * dim**-0.5)
        block = nn.TransformerEncoderLayer(
            dim, heads, dim_feedforward=4 * dim, dropout=dropout, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.blocks = nn.TransformerEncoder(block, layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)

    def read(self, embedded: torch.Tensor) -> torch.Tensor:
        """Add positions and attend to the past."""
        length = embedded.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=embedded.device)
        hidden = self.dropout(embedded + self.positions[:length])
        states: torch.Tensor = self.blocks(hidden, mask=mask, is_causal=True)
        return states
