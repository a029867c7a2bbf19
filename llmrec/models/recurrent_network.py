"""The network of the GRU and LSTM baselines."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from llmrec.training.objective import catalog_cross_entropy


class RecurrentNetwork(nn.Module):
    """Item embedding, recurrent layers, and scores by the same embedding (GRU4Rec, Hidasi et al. 2016).

    Code ``n_items`` is the start of every sequence: an empty history has a state too.
    """

    def __init__(
        self, cell: Literal["gru", "lstm"], n_items: int, *, dim: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim)
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        kind = nn.GRU if cell == "gru" else nn.LSTM
        self.cells = kind(dim, dim, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(n_items))

    def states(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the state after each of the first t inputs, t = 0..length: [n, length + 1, dim].

        ``inputs`` are codes [n, length], -1 where a row is shorter.
        """
        start = len(self.bias)
        codes = torch.where(inputs < 0, start, inputs)
        first = torch.full((len(inputs), 1), start, dtype=codes.dtype, device=codes.device)
        codes = torch.cat([first, codes], dim=1)
        hidden, _ = self.cells(self.dropout(self.items(codes)))
        states: torch.Tensor = self.out(self.dropout(hidden))
        return states

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """Score every item: [..., n_items]."""
        return states @ self.items.weight[:-1].T + self.bias

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor, n_tokens: torch.Tensor) -> torch.Tensor:
        """Return the loss over all positions with a target."""
        taught = targets >= 0
        return catalog_cross_entropy(self.scores(self.states(inputs)[taught]), targets[taught])
