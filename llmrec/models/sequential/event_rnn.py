"""GRU and LSTM over event sequences: the next item and responses, as the LLM predicts them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.data import Dataset, Fold, Histories, Sequences
from llmrec.models.continuation import fields_of
from llmrec.models.responses.fields import EventFields
from llmrec.models.responses.files import read_fields, write_fields
from llmrec.models.responses.labels import batch_labels
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.sequential.over_texts import OverTextsRecommender
from llmrec.training.batching import (
    Batch,
    by_length,
    inputs_of,
    padded,
    padded_event_codes,
)

if TYPE_CHECKING:
    import torch

    from llmrec.models.sequential.event_networks import EventNetwork, EventTextNetwork
    from llmrec.training.response_heads import ResponseHeads

TOKENS_AT_ONCE = 8192


class EventRecurrentRecommender(RespondingRecommender, SequentialRecommender):
    """A recurrent network over events, of item ids or, with ``OverTextsRecommender``, of item texts."""

    sections = (*SequentialRecommender.sections, "history.events", "tasks", "responses")
    cell: ClassVar[Literal["gru", "lstm"]]
    network: EventNetwork | EventTextNetwork

    def _network(self) -> EventNetwork | EventTextNetwork:
        from llmrec.models.sequential.event_networks import EventNetwork, EventTextNetwork
        from llmrec.training.field_embeddings import FieldEmbeddings
        from llmrec.training.response_heads import ResponseHeads

        shape, settings = self.recipe.sequence, self.recipe.responses
        sizes = {"dim": shape.dim, "layers": shape.layers}
        network: EventNetwork | EventTextNetwork
        if isinstance(self, OverTextsRecommender):
            network = EventTextNetwork(self.cell, **self._of_items(), dropout=shape.dropout, **sizes)
        else:
            network = EventNetwork(self.cell, len(self.catalog), dropout=shape.dropout, **sizes)
        if self.bins.fields:
            network.events = FieldEmbeddings(self.bins.sizes, shape.dim)
        if self.tasks.specs:
            network.responses = ResponseHeads(
                self.tasks,
                width=shape.dim,
                dim=shape.dim,
                hidden=settings.dim,
                dropout=settings.dropout,
                count_features=self.count_features,
            )
        network.response_weight = settings.weight
        return network

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        self.fields = EventFields.fit(data, self.recipe, like=fields_of(self.continuation))
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)

    def _collator(self, data: Dataset, sequences: Sequences) -> Callable[[Batch], dict[str, Any]]:
        targets = self.fields.targets(data)

        def collate(batch: Batch) -> dict[str, Any]:
            tensors: dict[str, Any] = self._collate(sequences, batch)
            return tensors if targets is None else {**tensors, "labels": batch_labels(targets, sequences, batch)}

        return collate

    def _collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        import torch

        tensors = super()._collate(sequences, batch)
        if sequences.event_codes is not None:
            width = tensors["inputs"].shape[1]
            event_codes = inputs_of(sequences.event_codes, sequences, batch.windows, width, empty=0)
            tensors["bins"] = torch.from_numpy(self._unpacked(event_codes))
        return tensors

    def _states(self, sequences: Sequences) -> Float32s:
        import torch

        window = sequences.last(self.recipe.sequence.max_items)
        states = np.empty((len(window), self.recipe.sequence.dim), dtype=np.float32)
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            for rows in by_length(window.lengths() + 1, TOKENS_AT_ONCE):
                inputs, codes = torch.from_numpy(padded(window, rows)).to(device), padded_event_codes(window, rows)
                bins = None if codes is None else torch.from_numpy(self._unpacked(codes)).to(device)
                hidden, last = self.network.states(inputs, bins), torch.from_numpy(window.lengths()[rows])
                states[rows] = hidden[torch.arange(len(rows)), last].cpu().numpy()
        return states

    def _score(self, sequences: Sequences) -> Float32s:
        import torch

        device = next(self.network.parameters()).device
        window, states = sequences.last(self.recipe.sequence.max_items), self._states(sequences)
        scores = np.empty((len(window), len(self.catalog)), dtype=np.float32)
        with torch.inference_mode():
            for rows in by_length(window.lengths() + 1, TOKENS_AT_ONCE):
                inputs, lengths = torch.from_numpy(padded(window, rows)), torch.from_numpy(window.lengths()[rows])
                arguments = torch.from_numpy(states[rows]), inputs, torch.arange(len(rows)), lengths
                logits = self.network.scores_after(*(values.to(device) for values in arguments))
                scores[rows] = logits.float().cpu().numpy()
        return scores

    def _heads(self) -> ResponseHeads | None:
        return self.network.responses

    def _raw_vectors(self) -> Float32s:
        return np.asarray(self.item_vectors())

    def _event_codes(self, histories: Histories) -> Int32s:
        """Return an event's bins as one number, the first field's the most significant."""
        bins = self.bins.codes(histories).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(bins.T), self.bins.sizes), dtype=np.int32)

    def _unpacked(self, event_codes: Int64s) -> Int64s:
        return np.stack(np.unravel_index(event_codes, self.bins.sizes), axis=-1).astype(np.int64)

    def _save(self, folder: Path) -> None:
        write_fields(self.fields, folder)
        super()._save(folder)

    def _load(self, folder: Path) -> None:
        self.fields = read_fields(folder, self.recipe, n_items=len(self.catalog))
        super()._load(folder)


class GRUEventRecommender(EventRecurrentRecommender):
    """GRU over events by item id.

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.of({"model": "gru-events", "tasks": ["gap"], "train": {"epochs": 1}})
    >>> model = GRUEventRecommender(recipe).fit(toy_films())
    >>> model.predict_response([["3", "4"]], ["5"]).columns[:3]
    ['user_id', 'item_id', 'gap']
    """

    kind = "gru-events"
    cell = "gru"


class LSTMEventRecommender(EventRecurrentRecommender):
    """LSTM over events by item id.

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.of({"model": "lstm-events", "tasks": ["gap"], "train": {"epochs": 1}})
    >>> model = LSTMEventRecommender(recipe).fit(toy_films())
    >>> model.predict_response([["3", "4"]], ["5"]).columns[:3]
    ['user_id', 'item_id', 'gap']
    """

    kind = "lstm-events"
    cell = "lstm"


class GRUTextEventRecommender(OverTextsRecommender, EventRecurrentRecommender):
    """GRU over events by item text, encoded by MiniLM or the recipe's ``text.encoder``.

    >>> from llmrec import Recipe
    >>> GRUTextEventRecommender(Recipe.of({"model": "gru-text-events", "text": {"prompt": "title"}}))
    GRUTextEventRecommender(not fitted)
    """

    kind = "gru-text-events"
    sections = (*EventRecurrentRecommender.sections, *OverTextsRecommender.sections_of_texts)
    cell = "gru"
