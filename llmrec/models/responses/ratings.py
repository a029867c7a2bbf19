"""Ratings from who rates how and what is rated how: biases alone, and with matrix factorization."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Float64s, Int64s
from llmrec.data import Dataset, Histories, Sequences
from llmrec.data.columns import ITEM
from llmrec.errors import DataError
from llmrec.models.responses.baselines import ResponseModel
from llmrec.models.responses.table import Answers


class BiasRatings(ResponseModel):
    """``mean + b_u + b_i``, shrunk to 0 (Koren 2009). The user's part is of the history asked with."""

    name = "bias"

    def __init__(self, *, shrink_items: float = 10.0, shrink_users: float = 10.0, rounds: int = 8) -> None:
        self.shrink_items, self.shrink_users, self.rounds = shrink_items, shrink_users, rounds

    def _fit(self, data: Dataset) -> None:
        users, codes, ratings = self._rated(data.histories)
        self.mean, n = float(ratings.mean()), len(data.histories)
        self.items = np.zeros(len(self.catalog))
        of_users = np.zeros(n)
        for _ in range(self.rounds):
            self.items = _shrunk(ratings - self.mean - of_users[users], codes, len(self.items), self.shrink_items)
            of_users = _shrunk(ratings - self.mean - self.items[codes], users, n, self.shrink_users)

    def _answers(self, histories: Histories, rows: Int64s, codes: Int64s) -> Answers:
        spec = self.tasks["rating"]
        found = self._expected(histories, rows, codes).clip(spec.low, spec.high)
        # Numbers only: this model knows no probabilities of single steps.
        return {"rating": found}

    def _expected(self, histories: Histories, rows: Int64s, codes: Int64s) -> Float64s:
        return np.asarray(self.mean + self._of_users(histories)[rows] + self.items[codes])

    def _of_users(self, histories: Histories) -> Float64s:
        users, codes, ratings = self._rated(histories)
        return _shrunk(ratings - self.mean - self.items[codes], users, len(histories), self.shrink_users)

    def _rated(self, histories: Histories) -> tuple[Int64s, Int64s, Float64s]:
        """The known ratings: whose, of what, how high."""
        if "rating" not in self.tasks.names:
            raise DataError(f"the {self.name} baseline predicts ratings; add rating to the tasks")
        known = self.catalog.codes(histories.events[ITEM]) >= 0
        sequences = Sequences.encode(histories, self.catalog)
        ratings = self.tasks.targets(histories).values["rating"][known]
        there = ~np.isnan(ratings)
        return sequences.users()[there], sequences.codes[there].astype(np.int64), ratings[there]


class FactorRatings(BiasRatings):
    """Biases, and factors of what they leave over, by alternating least squares (Zhou et al. 2008).

    A user's factors are solved for from the history asked with: new users need no retraining.
    """

    name = "factors"

    def __init__(
        self,
        *,
        factors: int = 16,
        regularization: float = 8.0,
        shrink_items: float = 10.0,
        shrink_users: float = 10.0,
        rounds: int = 12,
        seed: int = 0,
    ) -> None:
        super().__init__(shrink_items=shrink_items, shrink_users=shrink_users)
        self.factors, self.regularization, self.sweeps, self.seed = factors, regularization, rounds, seed

    def _fit(self, data: Dataset) -> None:
        super()._fit(data)
        users, codes, ratings = self._rated(data.histories)
        rest = ratings - self.mean - self.items[codes] - self._of_users(data.histories)[users]
        draw = np.random.default_rng(self.seed)
        self.of_items = draw.normal(scale=0.1, size=(len(self.catalog), self.factors))
        for _ in range(self.sweeps):
            of_users = self._solved(self.of_items[codes], rest, users, len(data.histories))
            self.of_items = self._solved(of_users[users], rest, codes, len(self.catalog))

    def _expected(self, histories: Histories, rows: Int64s, codes: Int64s) -> Float64s:
        users, rated, ratings = self._rated(histories)
        biases = self._of_users(histories)
        rest = ratings - self.mean - self.items[rated] - biases[users]
        of_users = self._solved(self.of_items[rated], rest, users, len(histories))
        crossed = (of_users[rows] * self.of_items[codes]).sum(axis=1)
        return np.asarray(self.mean + biases[rows] + self.items[codes] + crossed)

    def _solved(self, vectors: Float64s, rest: Float64s, groups: Int64s, n: int) -> Float64s:
        """Ridge regression of ``rest`` [m] on ``vectors`` [m, factors] in each of n groups: [n, factors]."""
        order = np.argsort(groups, kind="stable")
        bounds = np.searchsorted(groups[order], np.arange(n + 1))
        penalty, found = self.regularization * np.eye(self.factors), np.zeros((n, self.factors))
        for group in np.flatnonzero(np.diff(bounds)):
            rows = order[bounds[group] : bounds[group + 1]]
            own = vectors[rows]
            found[group] = np.linalg.solve(own.T @ own + penalty, own.T @ rest[rows])
        return found


def _shrunk(values: Float64s, groups: Int64s, n: int, shrink: float) -> Float64s:
    """Mean of each group with so many zeros added."""
    total, counts = np.bincount(groups, values, minlength=n), np.bincount(groups, minlength=n)
    return np.asarray(total / (counts + shrink))
