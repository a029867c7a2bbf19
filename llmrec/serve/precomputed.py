"""Rank by scores that are there already: queries of one batch are scored together and ranked each by its rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Histories
from llmrec.models.base import Recommender
from llmrec.models.composite import Composite
from llmrec.models.request import Request
from llmrec.retrieval import Filter
from llmrec.retrieval.calibration import Diversity


class PrecomputedScores(Composite):
    """A model whose scores of some histories were computed before: ``rows`` [n_items] each, by user id."""

    kind: ClassVar[str] = "precomputed"

    def __init__(self, model: Recommender, rows: Mapping[str, Float32s]) -> None:
        super().__init__(model)
        self._rows = rows

    def score(self, histories: Histories) -> Float32s:
        """Return the scores of histories by their users' ids."""
        return np.stack([self._rows[user] for user in histories.user_ids])

    def request(self, k: int, wanted: Filter | None, diversity: Diversity) -> Request:
        """Return what is asked of every list. Raises DataError as the model does."""
        return self.models[0].request(k, wanted, diversity)
