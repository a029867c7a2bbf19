"""Logistic regression and gradient boosting on count features of a user, an item and the pair."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.data import Dataset, Histories
from llmrec.data.ids import id_hashes
from llmrec.data.responses.count_features import CountFeatures
from llmrec.models.responses.baselines import ResponseModel, of_kind
from llmrec.models.responses.table import TaskPredictions


class FeatureResponses(ResponseModel):
    """A model on count features, trained on at most ``most`` events, drawn at random.

    Boosting stops early by a held-out tenth of the users, or of the rows, by ``held_out``.
    """

    learner: ClassVar[Literal["logistic", "boosting"]]

    def __init__(
        self, *, most: int = 500_000, held_out: Literal["users", "rows"] = "users", seed: int = 0
    ) -> None:
        self.most, self.held_out, self.seed = most, held_out, seed

    def _fit(self, data: Dataset) -> None:
        self.count_features = CountFeatures.fit(data, self.tasks)
        target_values, n = self.tasks.targets(data.histories), data.events.height
        rows = np.sort(np.random.default_rng(self.seed).permutation(n)[: self.most])
        table = self.count_features.of_events(data.histories, self.catalog)[rows]
        # A feature without any value here (the last rating of the item, where none is met twice) has no column.
        self.used = ~np.isnan(table).all(axis=0)
        table, held_out = table[:, self.used], self._held_out(data.histories)[rows]
        self.models: dict[str, Any] = {}
        for spec in self.tasks.specs:
            values = target_values.values[spec.name][rows]
            known = ~np.isnan(values)
            numbers = spec.kind == "number"
            targets = values[known] if numbers else values[known].round(6)
            if len(np.unique(targets)) > 1:
                self.models[spec.name] = self._fitted(table[known], targets, held_out[known], numbers=numbers)

    def _predict(self, histories: Histories, rows: Int64s, codes: Int64s) -> TaskPredictions:
        table = self.count_features.of_pairs(histories, rows, codes, self.catalog)[:, self.used]
        predictions: dict[str, Float64s] = {}
        for spec in self.tasks.specs:
            model = self.models.get(spec.name)
            if model is None:
                continue
            if spec.kind == "number":
                predictions[spec.name] = np.clip(model.predict(table), spec.low, spec.high)
                continue
            classes = np.arange(len(spec.levels)) if spec.kind == "classes" else np.round(spec.values, 6)
            probabilities = np.zeros((len(rows), len(spec.levels)))
            probabilities[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(table)
            predictions[spec.name] = of_kind(spec, probabilities)
        return predictions

    def _held_out(self, histories: Histories) -> Bools:
        """Which events [n_events] are held out: those of a tenth of the users, or a tenth of all events."""
        if self.held_out == "rows":
            return np.random.default_rng(self.seed).random(histories.events.height) < 0.1
        return np.repeat(id_hashes(histories.user_ids, seed=1) % 10 == 0, histories.lengths())

    def _fitted(self, table: Float32s, targets: Float64s, held_out: Bools, *, numbers: bool) -> Any:
        """Fit; boosting stops early by the rows ``held_out`` [n], if the others have the same classes."""
        learner = self._learner(numbers=numbers)
        if self.learner != "boosting":
            return learner.fit(table, targets)
        train, valid = table[~held_out], table[held_out]
        if not len(train) or not len(valid) or not (numbers or set(targets) == set(targets[~held_out])):
            return learner.set_params(early_stopping=False).fit(table, targets)
        return learner.fit(train, targets[~held_out], X_val=valid, y_val=targets[held_out])

    def _learner(self, *, numbers: bool) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.learner == "boosting":
            kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
            return kind(early_stopping=True, random_state=self.seed)
        linear = Ridge() if numbers else LogisticRegression(max_iter=500)
        return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), linear)


class LogisticResponses(FeatureResponses):
    """Logistic regression; ridge regression for numbers."""

    name = "logistic"
    learner = "logistic"


class BoostedResponses(FeatureResponses):
    """Histogram gradient boosting."""

    name = "boosting"
    learner = "boosting"
