"""Logistic regression and gradient boosting on hand-made features of a user, an item and the pair."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.data import Dataset, Histories
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, USER
from llmrec.data.event_levels import column_of
from llmrec.data.histories import offsets_of
from llmrec.data.responses import TaskSet, asked
from llmrec.models.answers import Answers
from llmrec.models.response_baselines import ResponseModel, told_as

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FOLDS = 5
RECENT = 10
DAY = 86400.0


class FeatureResponses(ResponseModel):
    """A model on features; ``learner`` says of which kind.

    Features: how much and how the user did so far, all and the last ten events; the item's counts and means in
    training, of other users than the row's own (out of fold); the user's earlier events with this item.
    """

    learner: ClassVar[Literal["logistic", "boosting"]]

    def __init__(self, *, most: int = 60_000, window: int = 200, seed: int = 0) -> None:
        self.most, self.window, self.seed = most, window, seed

    def _fit(self, data: Dataset) -> None:
        everything = np.ones(data.events.height, dtype=bool)
        told = asked(data, everything, self.tasks, most=self.most, window=self.window, seed=self.seed)
        self.statistics = _ItemStatistics(data, self.tasks)
        place = {name: row for row, name in enumerate(told.histories.user_ids)}
        rows = np.array([place[name] for name in told.answers[USER]], dtype=np.int64)
        codes = self.catalog.codes(told.answers[ITEM]).astype(np.int64)
        folds = told.answers["owner"].hash(seed=0).to_numpy() % FOLDS
        table = self._table(told.histories, rows, codes, folds=folds)
        # A field that nothing says here (a rating of an item met before, where none is met twice) has no column.
        self.said = ~np.isnan(table).all(axis=0)
        table = table[:, self.said]
        self.models: dict[str, Any] = {}
        for spec in self.tasks.specs:
            answers = told.answers[spec.name].to_numpy()
            known = ~np.isnan(answers)
            numbers = spec.kind == "number"
            targets = answers[known] if numbers else answers[known].round(6)
            if len(np.unique(targets)) > 1:
                self.models[spec.name] = self._learner(numbers=numbers).fit(table[known], targets)

    def _answers(self, histories: Histories, rows: Ints, codes: Ints) -> Answers:
        table = self._table(histories, rows, codes)[:, self.said]
        found: dict[str, Floats] = {}
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
            found[spec.name] = told_as(spec, chances)
        return found

    def _table(
        self, histories: Histories, rows: Ints, codes: Ints, *, folds: npt.NDArray[Any] | None = None
    ) -> Floats:
        parts = [
            _history_features(histories, self.tasks)[rows],
            self.statistics.of(codes, folds=folds),
            _pair_features(histories, rows, codes, self),
        ]
        return np.concatenate(parts, axis=1)

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


class _ItemStatistics:
    """Counts and means of each item, of all users and of those outside each fold of users."""

    def __init__(self, data: Dataset, tasks: TaskSet) -> None:
        values = _event_values(data.histories, tasks)
        codes = data.catalog.codes(data.histories.events[ITEM]).astype(np.int64)
        users = pl.Series(data.histories.user_ids, dtype=pl.String).hash(seed=0).to_numpy() % FOLDS
        folds = np.repeat(users, data.histories.lengths())
        n = len(data.catalog)
        parts = [_sums(values[folds == fold], codes[folds == fold], n) for fold in range(FOLDS)]
        self.total = np.sum(parts, axis=0)
        self.without = [self.total - part for part in parts]
        self.usual = np.nanmean(values, axis=0) if len(values) else np.zeros(values.shape[1])

    def of(self, codes: Ints, *, folds: npt.NDArray[Any] | None = None) -> Floats:
        """Features of items [n, .]; with ``folds`` [n] from other users than those of the row's fold."""
        if folds is None:
            return self._shown(self.total[codes])
        return self._shown(np.stack(self.without)[folds.astype(np.int64), codes])

    def _shown(self, sums: Floats) -> Floats:
        counts, totals = sums[:, 0::2], sums[:, 1::2]
        means = (totals + 5 * self.usual) / (counts + 5)  # shrunk: a rare item says little
        return np.concatenate([np.log1p(counts[:, :1]), means], axis=1)


def _sums(values: Floats, codes: Ints, n: int) -> Floats:
    """For each item and column: how many values are known, and their sum: [n_items, 2 * columns]."""
    found = np.zeros((n, 2 * values.shape[1]))
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column])
        found[:, 2 * column] = np.bincount(codes[known], minlength=n)
        found[:, 2 * column + 1] = np.bincount(codes[known], values[known, column], minlength=n)
    return found


def _event_values(histories: Histories, tasks: TaskSet) -> Floats:
    """Everything numeric that an event says: [n_events, columns], NaN where it does not."""
    events, columns = histories.events, [np.ones(histories.events.height)]
    words = next((spec.levels for spec in tasks.specs if spec.name in {"behavior", "action"}), ())
    words = words or tasks.positive
    if BEHAVIOR in events.columns:
        said = events[BEHAVIOR].cast(pl.String)
        columns += [(said == word).cast(pl.Float64).fill_null(np.nan).to_numpy() for word in words]
    for name in ("rating", "price", "quantity"):
        if name in events.columns:
            columns.append(events[name].cast(pl.Float64).fill_null(np.nan).to_numpy())
    if {"price", "quantity"} <= set(events.columns):
        columns.append(np.log1p(np.maximum(columns[-1] * columns[-2], 0)))
    if TIME in events.columns and events.height:
        columns.append(np.log1p(column_of(histories, "gap").cast(pl.Float64).fill_null(np.nan).to_numpy()))
    return np.stack(columns, axis=1)


def _history_features(histories: Histories, tasks: TaskSet) -> Floats:
    """Features of each history [n, .]: means of all and of the last ten events, the last event, the span."""
    values, lengths = _event_values(histories, tasks), histories.lengths()
    ends = histories.offsets[1:]
    blocks = [np.log1p(lengths)[:, None]]
    for starts in (histories.offsets[:-1], np.maximum(ends - RECENT, histories.offsets[:-1])):
        blocks.append(_means(values, starts, ends)[:, 1:])
    if len(values):
        last = np.where((lengths > 0)[:, None], values[np.maximum(ends - 1, 0)], np.nan)[:, 1:]
    else:
        last = np.full((len(lengths), values.shape[1] - 1), np.nan)
    blocks.append(last)
    if TIME in histories.events.columns and len(values):
        times = histories.events[TIME].to_numpy()
        span = times[np.maximum(ends - 1, 0)] - times[np.minimum(histories.offsets[:-1], len(times) - 1)]
        blocks.append(np.where(lengths > 0, span / DAY, np.nan)[:, None])
    return np.concatenate(blocks, axis=1)


def _means(values: Floats, starts: Ints, ends: Ints) -> Floats:
    """Mean of the known values of each stretch: [n, columns], NaN where none is known."""
    known = ~np.isnan(values)
    total = np.stack([offsets_of_floats(np.where(known, values, 0)[:, c]) for c in range(values.shape[1])], axis=1)
    counts = np.stack([offsets_of(known[:, c]) for c in range(values.shape[1])], axis=1)
    sums, n = total[ends] - total[starts], counts[ends] - counts[starts]
    return np.where(n > 0, sums / np.maximum(n, 1), np.nan)


def offsets_of_floats(values: Floats) -> Floats:
    """Running sum from 0, one longer."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _pair_features(histories: Histories, rows: Ints, codes: Ints, model: FeatureResponses) -> Floats:
    """Features of a user with this item [n, .]: how often before, and what was said then."""
    values = _event_values(histories, model.tasks)
    names = [f"v{column}" for column in range(values.shape[1])]
    owners = np.repeat(np.arange(len(histories)), histories.lengths())
    items = model.catalog.codes(histories.events[ITEM]).astype(np.int64)
    table = pl.DataFrame({"row": owners, "code": items} | dict(zip(names, values.T, strict=True)))
    met = table.group_by("row", "code").agg(
        pl.len().cast(pl.Float64).alias("times"), *(pl.col(name).last() for name in names[1:])
    )
    asked_of = pl.DataFrame({"row": rows, "code": codes})
    joined = asked_of.join(met, on=["row", "code"], how="left", maintain_order="left")
    times = joined["times"].fill_null(0.0).to_numpy()
    rest = [joined[name].fill_null(np.nan).to_numpy() for name in names[1:]]
    return np.stack([np.log1p(times), *rest], axis=1)
