"""Recurrent networks over whole events, the item and its other fields, with heads for responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

from llmrec.models.sequential.networks import RecurrentNetwork, SequenceNetwork
from llmrec.models.sequential.text_networks import TextRecurrentNetwork
from llmrec.training.field_embeddings import FieldEmbeddings
from llmrec.training.losses import predictions_of
from llmrec.training.response_heads import ResponseHeads, TargetStates


class _Events(SequenceNetwork):
    """Adds field embeddings to the inputs and the responses' loss to the next item's."""

    def __init__(self, *sizes: Any, **named: Any) -> None:
        super().__init__(*sizes, **named)
        # On the instance: a class attribute None would hide a module that is set later.
        self.events: FieldEmbeddings | None = None
        self.responses: ResponseHeads | None = None
        self.response_weight = 0.0

    def states(self, inputs: torch.Tensor, bins: torch.Tensor | None = None) -> torch.Tensor:
        """Return the state after each of the first t events: [n, length + 1, dim]; ``bins`` of their fields."""
        start = len(self.bias)
        codes = functional.pad(torch.where(inputs < 0, start, inputs), (1, 0), value=start)
        embedded = self.embed(codes)
        if bins is not None and self.events is not None:
            embedded = torch.cat([embedded[:, :1], self.events(embedded[:, 1:], bins)], dim=1)
        states: torch.Tensor = self.out(self.dropout(self.read(embedded)))
        return states

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        n_tokens: torch.Tensor,
        context_positions: torch.Tensor | None = None,
        bins: torch.Tensor | None = None,
        labels: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the loss over all positions with a target."""
        hidden = self.states(inputs, bins)
        predictions = predictions_of(targets, context_positions)
        weights = None if labels is None else labels["weights"][predictions.rows, predictions.positions]
        loss = self.loss_of(hidden, inputs, targets, predictions, weights)
        if self.responses is None or labels is None:
            return loss
        rows, columns = torch.nonzero(targets >= 0, as_tuple=True)
        positions = torch.arange(hidden.shape[1], device=hidden.device).expand(hidden.shape[:2])
        target_states = TargetStates(hidden, positions, (rows, columns))
        vectors = self.embed(targets[rows, columns])
        return loss + self.response_weight * self.responses.loss(target_states, vectors, labels)


class EventNetwork(_Events, RecurrentNetwork):
    """Over item ids."""


class EventTextNetwork(_Events, TextRecurrentNetwork):
    """Over item texts."""
