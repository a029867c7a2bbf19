"""Count features of a user, an item and the pair: shrunken means of events that are strictly earlier.

The features of a user and of a pair are from the user's events strictly before the one predicted. Those of an item
are target encodings (Micci-Barreca 2001) from the whole training log, ``(sum + SHRINK * mean) / (n + SHRINK)``:
Laplace-like smoothing towards the mean of all events with weight SHRINK. For training events they are out of fold,
from the users of other folds: else a row's own target would be among its features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Float64s, Floatings, Int64s
from llmrec.data.catalog import Catalog
from llmrec.data.columns import BEHAVIOR, ITEM, TIME
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories, n_strictly_earlier
from llmrec.data.ids import id_hashes
from llmrec.data.responses.field_bins import column_of
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import DataError

FOLDS = 5
RECENT = 10
WINDOW = 200  # a user's newest events that count
SHRINK = 5.0  # weight of the prior mean in an item's or a user's mean, in events
DAY = 86400.0
BINS = 8
MOST_FOR_EDGES = 200_000
CLOSE = 1e-5  # of the range: nearer values differ by rounding only
NUMBERS = ("rating", "price", "quantity")


@dataclass(frozen=True, eq=False)
class CountFeatures:
    """The columns that are counted of events, and their totals over the items of the training data.

    ``names`` are the columns of an event: ``is WORD`` for behaviors, ``rating``, ``price``, ``quantity``,
    ``spent`` and ``gap``. ``totals`` [n_items, 2 * (1 + columns)]: counts and sums by turns, first of the events
    themselves. ``means`` [1 + columns]: of all training events, towards which those of items are shrunk. ``edges``
    [size, BINS + 1]: of each feature's bins, see ``edges_of``. ``fold_totals`` [FOLDS, n_items, ...]: the totals
    of each fold's users, None in a loaded run.

    >>> from llmrec.data import Dataset
    >>> rows = {"user_id": ["ann"] * 2, "item_id": ["a", "b"], "timestamp": [60, 120], "rating": [5.0, 3.0]}
    >>> data = Dataset.from_tables(rows, time_format="seconds")
    >>> CountFeatures.fit(data, TaskSet.fit(data, ["rating"])).names
    ('rating', 'gap')
    """

    names: tuple[str, ...]
    totals: Float64s
    means: Float64s
    edges: Float32s
    fold_totals: Float64s | None = None

    @classmethod
    def fit(cls, data: Dataset, tasks: TaskSet) -> CountFeatures:
        """Count over a training set."""
        names = _names(data.histories, tasks)
        values = _values(data.histories, names)
        codes = data.catalog.codes(data.histories.events[ITEM]).astype(np.int64)
        known = ~np.isnan(values)
        means = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        folds, n = _folds(data.histories), len(data.catalog)
        totals = np.stack([_totals(values[folds == fold], codes[folds == fold], n) for fold in range(FOLDS)])
        bare = cls(names, totals.sum(axis=0), means, np.zeros((0, 0), dtype=np.float32), totals)
        sample = _sample_users(data.histories)
        return replace(bare, edges=edges_of(bare.of_events(sample, data.catalog)))

    def binned_as(self, other: CountFeatures) -> CountFeatures:
        """Return the same counts in the bins of ``other``. Raises DataError where that counts other columns."""
        if self.names != other.names:
            raise DataError(
                f"the events have {', '.join(self.names)} to count, and had {', '.join(other.names)} before; "
                "fit anew, without --continue"
            )
        return replace(self, edges=other.edges)

    @property
    def n_user(self) -> int:
        """How many of the features, the first ones, are of the user alone."""
        return 2 + 5 * len(self.names)

    @property
    def size(self) -> int:
        """How many features there are."""
        return n_features(len(self.names))

    @property
    def columns(self) -> list[str]:
        """The event columns that are read, besides the item."""
        needs = {"gap": [TIME], "spent": ["price", "quantity"]} | {name: [name] for name in NUMBERS}
        columns = [column for name in self.names for column in needs.get(name, [BEHAVIOR])]
        return list(dict.fromkeys([*columns, TIME]))

    def of_events(self, histories: Histories, catalog: Catalog, *, out_of_fold: bool = True) -> Float32s:
        """Features of training events [n_events, size] about their items, as before them.

        Without ``out_of_fold`` an item's features are from all users: what ``of_pairs`` returns at the same time.
        """
        codes = catalog.codes(histories.events[ITEM]).astype(np.int64)
        first = np.repeat(histories.offsets[:-1], histories.lengths())
        ends = first + n_strictly_earlier(histories)
        items = self._out_of_fold_totals(histories, codes) if out_of_fold else self.totals[codes]
        log = _Log(histories, _values(histories, self.names), codes, self._shrunk_means(items))
        return self._features(log, _Queries(np.maximum(first, ends - WINDOW), ends, codes), items)

    def _out_of_fold_totals(self, histories: Histories, codes: Int64s) -> Float64s:
        """The totals of each event's item over the users of other folds than its user's.

        Scaled up to as many events as all folds have: a prediction counts all of them.
        """
        if self.fold_totals is None:
            raise DataError("the totals of each fold of users are not saved; fit anew for training features")
        folds, n_events = _folds(histories), self.fold_totals[:, :, 0].sum(axis=1)
        others = np.maximum(n_events.sum() - n_events, 1)
        scale = np.maximum(n_events.sum(), 1) / others
        return np.asarray((self.totals[codes] - self.fold_totals[folds, codes]) * scale[folds, None])

    def of_pairs(self, histories: Histories, rows: Int64s, codes: Int64s, catalog: Catalog) -> Float32s:
        """Features of pairs of a history, by its row, and an item, by its code: [n, size]."""
        ends = histories.offsets[1:]
        starts = np.maximum(histories.offsets[:-1], ends - WINDOW)
        seen = catalog.codes(histories.events[ITEM]).astype(np.int64)
        item_means = np.where(seen[:, None] >= 0, self._shrunk_means(self.totals[seen]), np.nan)
        log = _Log(histories, _values(histories, self.names), seen, item_means)
        return self._features(log, _Queries(starts[rows], ends[rows], codes), self.totals[codes])

    def extended(self, n_items: int) -> CountFeatures:
        """Return the features for a catalog of ``n_items``, the new ones at its end, without any event."""
        new = np.zeros((n_items - len(self.totals), self.totals.shape[1]))
        return replace(self, totals=np.concatenate([self.totals, new]), fold_totals=None)

    def _features(self, log: _Log, queries: _Queries, items: Float64s) -> Float32s:
        users, biases = _user_features(log, queries)
        means = self._shrunk_means(items)
        parts = [users, np.log1p(items[:, :1]), means, means + biases, _pair_features(log, queries)]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _shrunk_means(self, totals: Float64s) -> Float64s:
        """Means of the columns [n, columns], shrunk towards those of all events."""
        counts, sums = totals[:, 2::2], totals[:, 3::2]
        return np.asarray((sums + SHRINK * self.means[1:]) / (counts + SHRINK))


def n_features(n_columns: int) -> int:
    """How many features there are of a user, an item and a pair where so many columns are counted."""
    return 4 + 8 * n_columns


@dataclass(frozen=True, eq=False)
class _Queries:
    """Pairs [n]: the user's visible events are rows ``starts`` to ``ends``; ``codes`` are the items."""

    starts: Int64s
    ends: Int64s
    codes: Int64s


@dataclass(frozen=True, eq=False)
class _Log:
    """Events: values [n_events, 1 + columns], item codes, and their items' shrunken means [n_events, columns]."""

    histories: Histories
    values: Float64s
    codes: Int64s
    item_means: Float64s


def _folds(histories: Histories) -> Int64s:
    """The fold of each event's user."""
    return np.repeat(id_hashes(histories.user_ids) % FOLDS, histories.lengths())


def _sample_users(histories: Histories) -> Histories:
    """Take users at random until they have MOST_FOR_EDGES events; all where there are fewer."""
    order = np.random.default_rng(0).permutation(len(histories))
    enough = int(np.searchsorted(np.cumsum(histories.lengths()[order]), MOST_FOR_EDGES)) + 1
    return histories.take(np.sort(order[:enough]))


def _names(histories: Histories, tasks: TaskSet) -> tuple[str, ...]:
    events = histories.events
    names = [f"is {word}" for word in tasks.behaviors] if BEHAVIOR in events.columns else []
    names += [name for name in NUMBERS if name in events.columns]
    names += ["spent"] if {"price", "quantity"} <= set(events.columns) else []
    return (*names, *(["gap"] if TIME in events.columns else []))


def _values(histories: Histories, names: tuple[str, ...]) -> Float64s:
    """The columns of events [n_events, 1 + columns], the first one 1, NaN where unknown."""
    events = histories.events

    def numbers(name: str) -> Float64s:
        return events[name].cast(pl.Float64).fill_null(np.nan).to_numpy()

    columns = [np.ones(events.height)]
    for name in names:
        values = np.full(events.height, np.nan)
        if name.startswith("is ") and BEHAVIOR in events.columns:
            equal = events[BEHAVIOR].cast(pl.String) == name.removeprefix("is ")
            values = equal.cast(pl.Float64).fill_null(np.nan).to_numpy()
        elif name == "spent" and {"price", "quantity"} <= set(events.columns):
            values = np.log1p(np.maximum(numbers("price") * numbers("quantity"), 0))
        elif name == "gap" and TIME in events.columns:
            values = np.log1p(column_of(histories, "gap").cast(pl.Float64).fill_null(np.nan).to_numpy())
        elif name in events.columns:
            values = numbers(name)
        columns.append(values)
    return np.stack(columns, axis=1)


def _totals(values: Float64s, codes: Int64s, n: int) -> Float64s:
    """Count of each item's known values and their sum, column by column: [n_items, 2 * columns]."""
    totals = np.zeros((n, 2 * values.shape[1]))
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column]) & (codes >= 0)
        totals[:, 2 * column] = np.bincount(codes[known], minlength=n)
        totals[:, 2 * column + 1] = np.bincount(codes[known], values[known, column], minlength=n)
    return totals


def _user_features(log: _Log, queries: _Queries) -> tuple[Float64s, Float64s]:
    """Features of the user, and the user's bias in each column [n, columns].

    Features: the number of events, means of all and of the last ten, the last event, the span in days, the bias
    over all and over the last ten. A bias is the mean residual, event minus item mean, shrunk towards 0.
    """
    starts, ends, values = queries.starts, queries.ends, log.values[:, 1:]
    recent = np.maximum(ends - RECENT, starts)
    last, filled = np.maximum(ends - 1, 0), ends > starts
    running, residuals = _RunningMeans(values), _RunningMeans(values - log.item_means)
    bias, recent_bias = (residuals.mean(since, ends, shrink=SHRINK) for since in (starts, recent))
    newest, span = np.full((len(ends), values.shape[1]), np.nan), np.full(len(ends), np.nan)
    if len(values):
        newest = np.where(filled[:, None], values[last], np.nan)
    if len(values) and TIME in log.histories.events.columns:
        times = log.histories.events[TIME].to_numpy()
        span = np.where(filled, (times[last] - times[np.minimum(starts, len(times) - 1)]) / DAY, np.nan)
    counts, means = np.log1p(ends - starts)[:, None], [running.mean(since, ends) for since in (starts, recent)]
    return np.concatenate([counts, *means, newest, span[:, None], bias, recent_bias], axis=1), bias


class _RunningMeans:
    """Means over row ranges of values [n_events, columns], NaN where unknown, from running sums."""

    def __init__(self, values: Float64s) -> None:
        known = ~np.isnan(values)
        start = np.zeros((1, values.shape[1]))
        self.total = np.concatenate([start, np.cumsum(np.where(known, values, 0), axis=0)])
        self.count = np.concatenate([start, np.cumsum(known, axis=0)])

    def mean(self, starts: Int64s, ends: Int64s, *, shrink: float = 0.0) -> Float64s:
        """Mean of each range, NaN of an empty one; with ``shrink`` as if it had so many more values of 0."""
        count, total = self.count[ends] - self.count[starts] + shrink, self.total[ends] - self.total[starts]
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _pair_features(log: _Log, queries: _Queries) -> Float64s:
    """How often the user had this item before, and the values of the last time."""
    values, seen = log.values, log.codes
    if not len(seen):
        empty = np.full((len(queries.codes), values.shape[1]), np.nan)
        empty[:, 0] = 0
        return empty
    size = len(seen) + 1
    # One number for an item and a row: sorted, an item's events between two rows are a range.
    keys = seen * size + np.arange(len(seen))
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], queries.codes * size + queries.starts)
    end = np.searchsorted(keys[order], queries.codes * size + queries.ends)
    count, newest = end - first, order[np.maximum(end - 1, 0)]
    last = np.where((count > 0)[:, None], values[newest, 1:], np.nan)
    return np.concatenate([np.log1p(count)[:, None], last], axis=1)


def edges_of(features: Floatings, bins: int = BINS) -> Float32s:
    """Return the edges [size, bins + 1] of quantile bins; where there are few distinct values, each is an edge."""
    quantiles = np.linspace(0, 1, bins + 1)
    edges = np.zeros((features.shape[1], bins + 1), dtype=np.float32)
    for column, values in enumerate(features.T):
        known = values[~np.isnan(values)]
        if not len(known):
            continue
        cuts = _distinct(np.unique(known))
        if len(cuts) > bins + 1:  # quantiles would pass over the rare ones of a few values
            cuts = _distinct(np.quantile(known, quantiles))
        edges[column] = np.pad(cuts, (0, bins + 1 - len(cuts)), mode="edge")
    return edges


def _distinct(values: Floatings) -> Floatings:
    """Leave out of sorted values those that differ from the one before by rounding only."""
    new = np.diff(values) > CLOSE * (values[-1] - values[0])
    return np.asarray(values[np.concatenate([[True], new])])
