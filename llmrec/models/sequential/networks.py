"""Sequence networks: recurrent, causal and masked attention, with the same scores and loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from llmrec.training import item_shards
from llmrec.training.catalog_softmax import catalog_loss
from llmrec.training.losses import Predictions, predictions_of
from llmrec.training.repeat_bias import RepeatBias


class SequenceNetwork(nn.Module, ABC):
    """Item embedding, a sequence model, and scores by the same embedding.

    Code ``n_items`` is the start of every sequence: an empty history has a state too. ``item_tables``: parameters
    with a row for each item, which several processes may divide; ``share``: then the codes of this one.
    """

    item_tables: tuple[str, ...] = ("items.weight",)
    share: slice | None = None

    def __init__(self, n_items: int, *, dim: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim)
        nn.init.normal_(self.items.weight, std=dim**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(n_items))
        # Set by who builds the network, after everything else: the other weights start as they would without.
        self.repeat_bias: RepeatBias | None = None
        self.in_basket: nn.Linear | None = None

    @abstractmethod
    def read(self, embedded: torch.Tensor) -> torch.Tensor:
        """Return a state for each position from it and earlier ones only: [n, length, dim] to the same."""

    def states(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the state after each of the first t inputs, t = 0..length: [n, length + 1, dim].

        ``inputs`` are codes [n, length], right-padded with -1: no state attends to what is right of it.
        """
        start = len(self.bias)
        codes = torch.where(inputs < 0, start, inputs)
        first = torch.full((inputs.shape[0], 1), start, dtype=codes.dtype, device=codes.device)
        codes = torch.cat([first, codes], dim=1)
        states: torch.Tensor = self.out(self.dropout(self.read(self.embed(codes))))
        return states

    def embed(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the vectors of codes: [..., dim]."""
        return item_shards.embedding(codes, self.table())

    def table(self) -> torch.Tensor:
        """Return every item's vector and, last, that of code ``n_items``: [n_items + 1, dim]."""
        return self.items.weight

    def catalog(self) -> torch.Tensor:
        """Return every item's vector [n_items, dim]; of several processes that have divided them, this one's."""
        if self.share is None:
            return self.table()[:-1]
        return item_shards.share_of(self.table())[: self.share.stop - self.share.start]

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """Score every item: [..., n_items]."""
        return functional.linear(states, self.table()[:-1], self.bias)

    def scores_after(
        self, states: torch.Tensor, inputs: torch.Tensor, rows: torch.Tensor, n_read: torch.Tensor
    ) -> torch.Tensor:
        """Score every item for states [n, dim] that have read ``n_read`` [n] items of these rows of ``inputs``."""
        scores = self.scores(states)
        if self.repeat_bias is None:
            return scores
        return scores.scatter_add(1, *self.repeat_bias(states, inputs, rows, n_read))

    def loss_of(
        self,
        states: torch.Tensor,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        predictions: Predictions,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of ``predictions``; ``states`` [n, length + 1, dim] are those of ``inputs``."""
        read = states[predictions.rows, predictions.context_positions]
        if self.in_basket is not None:
            read = torch.where(predictions.in_basket[:, None], self.in_basket(read), read)
        added = None
        if self.repeat_bias is not None:
            added = self.repeat_bias(read, inputs, predictions.rows, predictions.n_visible)
        targets = targets[predictions.rows, predictions.positions]
        of_items = self.catalog(), self.bias
        return catalog_loss(read, *of_items, targets, weights=weights, added=added, share=self.share)

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        n_tokens: torch.Tensor,
        context_positions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss over all targets; ``context_positions`` as ``predictions_of`` takes them."""
        return self.loss_of(self.states(inputs), inputs, targets, predictions_of(targets, context_positions))


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
        self.blocks = _blocks(dim, layers, heads, dropout)

    def read(self, embedded: torch.Tensor) -> torch.Tensor:
        """Add positions and attend to the past."""
        length = embedded.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=embedded.device)
        hidden = self.dropout(embedded + self.positions[:length])
        states: torch.Tensor = self.blocks(hidden, mask=mask, is_causal=True)
        return states


class MaskedNetwork(AttentionNetwork):
    """Self-attention in both directions that predicts masked items (BERT4Rec, Sun et al. 2019).

    Code ``n_items`` is the mask. Positions are counted from the newest event, so that the mask after a history
    is at the same position however long the history is.
    """

    def states(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return states [n, length + 1, dim] of the inputs with a mask after each row's last.

        The state at the mask, whose position is the number of a row's inputs, is that of the next item.
        """
        padding = torch.full((inputs.shape[0], 1), -1, dtype=inputs.dtype, device=inputs.device)
        codes = torch.cat([inputs, padding], dim=1)
        lengths = (inputs >= 0).sum(dim=1, keepdim=True)
        return self.attend(codes.scatter(1, lengths, len(self.bias)))

    def attend(self, codes: torch.Tensor) -> torch.Tensor:
        """Return a state for each position from its whole row: [n, length, dim]; codes are padded with -1."""
        present = codes >= 0
        lengths = present.sum(dim=1, keepdim=True)
        position = (lengths - 1 - torch.arange(codes.shape[1], device=codes.device)).clamp(min=0)
        embedded = self.embed(codes.clamp(min=0)) + self.positions[position]
        # Added to the attention: a mask of numbers takes the same path in training and in inference.
        padding = torch.zeros(present.shape, device=codes.device).masked_fill(~present, float("-inf"))
        hidden = self.blocks(self.dropout(embedded), src_key_padding_mask=padding)
        states: torch.Tensor = self.out(self.dropout(hidden))
        return states

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        n_tokens: torch.Tensor,
        context_positions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss over the masked positions: those with a target, [n, length] as the inputs."""
        masked = targets >= 0
        read, of_items = self.attend(inputs)[masked], (self.catalog(), self.bias)
        return catalog_loss(read, *of_items, targets[masked], share=self.share)


def _blocks(dim: int, layers: int, heads: int, dropout: float) -> nn.TransformerEncoder:
    block = nn.TransformerEncoderLayer(
        dim, heads, dim_feedforward=4 * dim, dropout=dropout, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(block, layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
