"""Logistic regression and gradient boosting on counted features of a user, an item and the pair."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.data import Dataset, Histories
from llmrec.data.responses.count_features import CountFeatures
from llmrec.models.responses.baselines import ResponseModel, shown_as
from llmrec.models.responses.table import Answers


class FeatureResponses(ResponseModel):
    """A model on counted features; ``learner`` says of which kind. ``most`` events, drawn at random, teach it.

    Boosting stops when it no longer improves on a tenth of the users, or of the rows, as ``apart`` says.
    """

    learner: ClassVar[Literal["logistic", "boosting"]]

    def __init__(self, *, most: int = 500_000, apart: Literal["users", "rows"] = "users", seed: int = 0) -> None:
        self.most, self.apart, self.seed = most, apart, seed

    def _fit(self, data: Dataset) -> None:
        self.count_features = CountFeatures.fit(data, self.tasks)
        told, n = self.tasks.targets(data.histories), data.events.height
        rows = np.sort(np.random.default_rng(self.seed).permutation(n)[: self.most])
        table = self.count_features.of_events(data.histories, self.catalog)[rows]
        # A field that nothing says here (a rating of an item met before, where none is met twice) has no column.
        self.said = ~np.isnan(table).all(axis=0)
        table, apart = table[:, self.said], self._apart(data.histories)[rows]
        self.models: dict[str, Any] = {}
        for spec in self.tasks.specs:
            answers = told.values[spec.name][rows]
            known = ~np.isnan(answers)
            numbers = spec.kind == "number"
            targets = answers[known] if numbers else answers[known].round(6)
            if len(np.unique(targets)) > 1:
                self.models[spec.name] = self._fitted(table[known], targets, apart[known], numbers=numbers)

    def _answers(self, histories: Histories, rows: Int64s, codes: Int64s) -> Answers:
        table = self.count_features.of_pairs(histories, rows, codes, self.catalog)[:, self.said]
        found: dict[str, Float64s] = {}
        for spec in self.tasks.specs:
            model = self.models.get(spec.name)
            if model is None:
                continue
            if spec.kind == "number":
                found[spec.name] = np.clip(model.predict(table), spec.low, spec.high)
                continue
            steps = np.arange(len(spec.levels)) if spec.kind == "classes" else np.round(spec.values, 6)
            chances = np.zeros((len(rows), len(spec.levels)))
            chances[:, np.searchsorted(steps, model.classes_)] = model.predict_proba(table)
            found[spec.name] = shown_as(spec, chances)
        return found

    def _apart(self, histories: Histories) -> Bools:
        """Choose a tenth of the users, or of the rows, whatever basket they are of: which events [n_events]."""
        if self.apart == "rows":
            return np.random.default_rng(self.seed).random(histories.events.height) < 0.1
        chosen = pl.Series(histories.user_ids, dtype=pl.String).hash(seed=1).to_numpy() % 10 == 0
        return np.repeat(chosen, histories.lengths())

    def _fitted(self, table: Float32s, targets: Float64s, apart: Bools, *, numbers: bool) -> Any:
        """Fit; boosting stops by the rows ``apart`` [n], where they and the others have the same answers."""
        learner = self._learner(numbers=numbers)
        if self.learner != "boosting":
            return learner.fit(table, targets)
        own, other = table[~apart], table[apart]
        if not len(own) or not len(other) or not (numbers or set(targets) == set(targets[~apart])):
            return learner.set_params(early_stopping=False).fit(table, targets)
        return learner.fit(own, targets[~apart], X_val=other, y_val=targets[apart])

    def _learner(self, *, numbers: bool) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.learner == "boosting":
            kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
            return kind(early_stopping=True, random_state=self.seed)
        last = Ridge() if numbers else LogisticRegression(max_iter=500)
        return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), last)


class LogisticResponses(FeatureResponses):
    """Logistic regression; ridge regression for numbers."""

    name = "logistic"
    learner = "logistic"


class BoostedResponses(FeatureResponses):
    """Histogram gradient boosting."""

    name = "boosting"
    learner = "boosting"
