"""Ratings from biases of users and items, alone and with matrix factorization."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Float64s, Int64s
from llmrec.data import Dataset, Histories, Sequences
from llmrec.data.columns import ITEM
from llmrec.errors import DataError
from llmrec.models.responses.baselines import ResponseModel
from llmrec.models.responses.table import TaskPredictions


class BiasRatings(ResponseModel):
    """``mean + b_u + b_i``, shrunk to 0 (Koren 2009). A user's bias is fitted to the history given."""

    name = "bias"

    def __init__(self, *, shrink_items: float = 10.0, shrink_users: float = 10.0, rounds: int = 8) -> None:
        self.shrink_items, self.shrink_users, self.rounds = shrink_items, shrink_users, rounds

    def _fit(self, data: Dataset) -> None:
        users, codes, ratings = self._rated(data.histories)
        self.mean, n = float(ratings.mean()), len(data.histories)
        self.item_biases = np.zeros(len(self.catalog))
        user_biases = np.zeros(n)
        for _ in range(self.rounds):
            residuals = ratings - self.mean - user_biases[users]
            self.item_biases = _shrunk_means(residuals, codes, len(self.item_biases), self.shrink_items)
            residuals = ratings - self.mean - self.item_biases[codes]
            user_biases = _shrunk_means(residuals, users, n, self.shrink_users)

    def _predict(self, histories: Histories, rows: Int64s, codes: Int64s) -> TaskPredictions:
        spec = self.tasks["rating"]
        # Numbers only: this model has no probabilities of single steps.
        return {"rating": self._expected(histories, rows, codes).clip(spec.low, spec.high)}

    def _expected(self, histories: Histories, rows: Int64s, codes: Int64s) -> Float64s:
        return np.asarray(self.mean + self._user_biases(histories)[rows] + self.item_biases[codes])

    def _user_biases(self, histories: Histories) -> Float64s:
        users, codes, ratings = self._rated(histories)
        residuals = ratings - self.mean - self.item_biases[codes]
        return _shrunk_means(residuals, users, len(histories), self.shrink_users)

    def _rated(self, histories: Histories) -> tuple[Int64s, Int64s, Float64s]:
        """The user row, item code and value of each known rating."""
        if "rating" not in self.tasks.names:
            raise DataError(f"the {self.name} baseline predicts ratings; add rating to the tasks")
        known = self.catalog.codes(histories.events[ITEM]) >= 0
        sequences = Sequences.encode(histories, self.catalog)
        ratings = self.tasks.targets(histories).values["rating"][known]
        rated = ~np.isnan(ratings)
        return sequences.users()[rated], sequences.codes[rated].astype(np.int64), ratings[rated]


class FactorRatings(BiasRatings):
    """Biases, and factors of their residuals, by alternating least squares (Zhou et al. 2008).

    A user's factors are solved for from the history given: new users need no retraining.
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
        residuals = ratings - self.mean - self.item_biases[codes] - self._user_biases(data.histories)[users]
        draw = np.random.default_rng(self.seed)
        self.item_factors = draw.normal(scale=0.1, size=(len(self.catalog), self.factors))
        for _ in range(self.sweeps):
            user_factors = self._solved(self.item_factors[codes], residuals, users, len(data.histories))
            self.item_factors = self._solved(user_factors[users], residuals, codes, len(self.catalog))

    def _expected(self, histories: Histories, rows: Int64s, codes: Int64s) -> Float64s:
        users, rated, ratings = self._rated(histories)
        biases = self._user_biases(histories)
        residuals = ratings - self.mean - self.item_biases[rated] - biases[users]
        user_factors = self._solved(self.item_factors[rated], residuals, users, len(histories))
        products = (user_factors[rows] * self.item_factors[codes]).sum(axis=1)
        return np.asarray(self.mean + biases[rows] + self.item_biases[codes] + products)

    def _solved(self, vectors: Float64s, targets: Float64s, groups: Int64s, n: int) -> Float64s:
        """Ridge regression of ``targets`` [m] on ``vectors`` [m, factors] in each of n groups: [n, factors]."""
        order = np.argsort(groups, kind="stable")
        bounds = np.searchsorted(groups[order], np.arange(n + 1))
        penalty, factors = self.regularization * np.eye(self.factors), np.zeros((n, self.factors))
        for group in np.flatnonzero(np.diff(bounds)):
            rows = order[bounds[group] : bounds[group + 1]]
            x = vectors[rows]
            factors[group] = np.linalg.solve(x.T @ x + penalty, x.T @ targets[rows])
        return factors


def _shrunk_means(values: Float64s, groups: Int64s, n: int, shrink: float) -> Float64s:
    """Mean of each group, shrunk to 0 as if it had ``shrink`` more values of 0."""
    total, counts = np.bincount(groups, values, minlength=n), np.bincount(groups, minlength=n)
    return np.asarray(total / (counts + shrink))
