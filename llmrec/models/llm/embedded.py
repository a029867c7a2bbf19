"""Rank by user vectors that are there already, without the LLM: those of live sessions, or of a cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Histories, Sequences
from llmrec.models.composite import Composite
from llmrec.models.llm.ranker import LLMRanker
from llmrec.models.ranking import finite
from llmrec.models.request import Request
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.filters import EVERY_ITEM, Filter, ItemRules


class EmbeddedHistories(Composite):
    """Answers as ``model`` does for histories whose ``vectors`` [dim], unit length, are given by user id.

    For a model that ranks by relevance: what responses add is not in the vectors.
    """

    kind: ClassVar[str] = "embedded"

    def __init__(self, model: LLMRanker, vectors: Mapping[str, Float32s]) -> None:
        super().__init__(model)
        self._model, self._vectors = model, vectors

    def score(self, histories: Histories) -> Float32s:
        """Score every item for histories by their users' vectors: float32 [n, n_items]."""
        window = self._window(self._model.sequences_of(histories))
        return finite(self._model.state.scores(self._users(histories), window))

    def embed_users(self, histories: Histories) -> Float32s:
        """Return the vectors, float32 [n, dim]."""
        return self._users(histories)

    def request(self, k: int, wanted: Filter | None, diversity: Diversity) -> Request:
        """Return what is asked of every list. Raises DataError as the model does."""
        return self._model.request(k, wanted, diversity)

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        sequences, users = self._model.sequences_of(histories), self._users(histories)
        window = self._window(sequences)
        return self._model.state.best(users, sequences, k, exclude_seen=exclude_seen, window=window, rules=rules)

    def _users(self, histories: Histories) -> Float32s:
        return np.stack([self._vectors[user] for user in histories.user_ids])

    def _window(self, sequences: Sequences) -> Sequences:
        return self._model.encoder.windows(sequences).sequences
