"""Scores of rules: the same for every history but for the few items that the rule connects with it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np

from llmrec.arrays import Float32s, Int64s, Integers
from llmrec.data import Sequences
from llmrec.models.base import Recommender


@dataclass(frozen=True, eq=False)
class SparseScores:
    """Scores of n histories: ``common`` [n_items] but for some items of each.

    Those of history r are ``codes[offsets[r]:offsets[r + 1]]``, each once, and score ``values`` instead.

    >>> common, one, offsets = np.zeros(3, dtype=np.float32), np.ones(1, dtype=np.float32), np.array([0, 1, 1])
    >>> SparseScores(common, offsets, np.array([2]), one).dense().tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    common: Float32s
    offsets: Int64s
    codes: Int64s
    values: Float32s

    @classmethod
    def of_pairs(cls, common: Float32s, n: int, rows: Int64s, codes: Integers) -> tuple[Self, Int64s]:
        """Give pairs of a history and an item values of their own, at first those of ``common``.

        Returns the scores of ``n`` histories, and which of the values is that of each pair: a pair may come twice.
        """
        pairs, positions = np.unique(rows * len(common) + codes, return_inverse=True)
        specific_rows, specific_codes = np.divmod(pairs, len(common))
        offsets = np.searchsorted(specific_rows, np.arange(n + 1))
        return cls(common, offsets, specific_codes, common[specific_codes]), positions

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> Int64s:
        """The history that each of ``codes`` is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def dense(self) -> Float32s:
        """Write all scores out, [n, n_items]."""
        scores = np.tile(self.common, (len(self), 1))
        scores[self.rows, self.codes] = self.values
        return scores

    def highest(self) -> Float32s:
        """Return the highest score of each history, [n]."""
        best = np.full(len(self), self.common.max(), dtype=np.float32)
        filled = np.flatnonzero(np.diff(self.offsets))
        if not len(filled):
            return best
        specific = np.maximum.reduceat(self.values, self.offsets[filled])
        # The best of all may be among those that score something else, and less.
        for row in filled[specific < best[filled]]:
            part, scores = slice(self.offsets[row], self.offsets[row + 1]), self.common.copy()
            scores[self.codes[part]] = self.values[part]
            best[row] = scores.max()
        higher = specific >= self.common.max()
        best[filled[higher]] = specific[higher]
        return best


class SparseRecommender(Recommender):
    """A recommender that scores most items alike for every history; a subclass writes ``_sparse_scores``."""

    reads_negatives = False

    @property
    def scores_sparsely(self) -> bool:
        """Whether ``sparse_scores`` says what ``score`` does: not where a subclass scores in a way of its own."""
        written = type(self)
        names = (written.score is Recommender.score, written.sequences_of is Recommender.sequences_of)
        return all(names) and written._score is SparseRecommender._score and not self.scores_are_logits

    def sparse_scores(self, sequences: Sequences) -> SparseScores:
        """Return what ``score`` does, for at least one sequence of known items."""
        return self._sparse_scores(sequences if self.reads_negatives else sequences.positives())

    def _score(self, sequences: Sequences) -> Float32s:
        return self._sparse_scores(sequences).dense()

    @abstractmethod
    def _sparse_scores(self, sequences: Sequences) -> SparseScores:
        """Score every item for sequences as the model reads them."""
