"""Repeat last: what somebody chose most recently, again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.base import Scores
from llmrec.models.popularity import PopularityRecommender


class RepeatLastRecommender(PopularityRecommender):
    """Score the items of the history, newest first, above all others; the others by popularity.

    Strong where people come back to the same items. Where seen items may not be recommended it is popularity.
    """

    kind = "repeat-last"

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)
        self._counts = self._counts / self._counts.sum()

    def _score(self, sequences: Sequences) -> Scores:
        scores = super()._score(sequences)
        users, codes = sequences.users(), sequences.codes
        age = sequences.offsets[1:][users] - 1 - np.arange(len(codes))
        # An item met several times counts where it is newest. Every share of popularity is below 1.
        np.maximum.at(scores, (users, codes), (1 + 1 / (1 + age)).astype(np.float32))
        return scores
