"""Counted features of a user, an item and the pair: what was usual so far, for whoever predicts what comes next.

What is known of a user is from strictly before the moment asked about. What is known of an item is from the whole
training log; for training events themselves of other users than their own: else a row's own answer would be among
its features.
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
from llmrec.data.responses.field_bins import column_of
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import DataError

FOLDS = 5
RECENT = 10
WINDOW = 200  # a user's newest events that count
SHRINK = 5.0  # a rare item says little: so many events of the usual kind are added to its own
DAY = 86400.0
BINS = 8
MOST_FOR_EDGES = 200_000
CLOSE = 1e-5  # of the range: nearer values are the same, rounded another way
NUMBERS = ("rating", "price", "quantity")


@dataclass(frozen=True, eq=False)
class Query:
    """Who is asked about what: events ``starts`` to ``ends`` are known of the user, ``codes`` are the items."""

    starts: Int64s
    ends: Int64s
    codes: Int64s


@dataclass(frozen=True, eq=False)
class CountFeatures:
    """What an event says in numbers, and how that is spread over the items of the training data.

    ``names`` are the columns of an event: ``is WORD`` for behaviors, ``rating``, ``price``, ``quantity``,
    ``spent`` and ``gap``. ``totals`` [n_items, 2 * (1 + columns)]: counts and sums by turns, first of the events
    themselves.
    """

    names: tuple[str, ...]
    totals: Float64s
    usual: Float64s  # mean of each column over all training events, [1 + columns]
    edges: Float32s  # of each feature in training, see ``edges_of``, [size, BINS + 1]
    parts: Float64s | None = None  # the totals of each fold of users, where it was fitted: [FOLDS, n_items, ...]

    @classmethod
    def fit(cls, data: Dataset, tasks: TaskSet) -> CountFeatures:
        """Count over a training set."""
        names = _names(data.histories, tasks)
        values = _values(data.histories, names)
        codes = data.catalog.codes(data.histories.events[ITEM]).astype(np.int64)
        known = ~np.isnan(values)
        usual = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        folds, n = _folds(data.histories), len(data.catalog)
        parts = np.stack([_sums(values[folds == fold], codes[folds == fold], n) for fold in range(FOLDS)])
        bare = cls(names, parts.sum(axis=0), usual, np.zeros((0, 0), dtype=np.float32), parts)
        some = _sample_users(data.histories)
        return replace(bare, edges=edges_of(bare.of_events(some, data.catalog)))

    @property
    def n_user(self) -> int:
        """How many of the features, the first ones, are of the user alone."""
        return 2 + 5 * len(self.names)

    @property
    def size(self) -> int:
        """How many features there are."""
        return self.n_user + 2 + 3 * len(self.names)

    @property
    def columns(self) -> list[str]:
        """The event columns that are read, besides the item."""
        needs = {"gap": [TIME], "spent": ["price", "quantity"]} | {name: [name] for name in NUMBERS}
        read = [column for name in self.names for column in needs.get(name, [BEHAVIOR])]
        return list(dict.fromkeys([*read, TIME]))

    def of_events(self, histories: Histories, catalog: Catalog, *, own: bool = False) -> Float32s:
        """Features of training events [n_events, size] about their items, as before them.

        With ``own`` what is known of an item is of all users: as ``of_pairs`` says of the same moments.
        """
        codes = catalog.codes(histories.events[ITEM]).astype(np.int64)
        first = np.repeat(histories.offsets[:-1], histories.lengths())
        ends = first + n_strictly_earlier(histories)
        values = _values(histories, self.names)
        items = self.totals[codes] if own else self._of_others(histories, codes)
        log = _Log(histories, values, codes, self._means(items))
        return self._of(log, Query(np.maximum(first, ends - WINDOW), ends, codes), items)

    def _of_others(self, histories: Histories, codes: Int64s) -> Float64s:
        """What is known of each event's item from all users but those of its user's fold.

        As if there were as many of them as of all: a prediction counts everyone.
        """
        if self.parts is None:
            raise DataError("what was counted of each fold of users is not kept; fit anew for training features")
        folds, events = _folds(histories), self.parts[:, :, 0].sum(axis=1)
        rest = np.maximum(events.sum() - events, 1)
        more = np.maximum(events.sum(), 1) / rest
        return np.asarray((self.totals[codes] - self.parts[folds, codes]) * more[folds, None])

    def of_pairs(self, histories: Histories, rows: Int64s, codes: Int64s, catalog: Catalog) -> Float32s:
        """Features of pairs of a history, by its row, and an item, by its code: [n, size]."""
        ends = histories.offsets[1:]
        starts = np.maximum(histories.offsets[:-1], ends - WINDOW)
        met = catalog.codes(histories.events[ITEM]).astype(np.int64)
        usual = np.where(met[:, None] >= 0, self._means(self.totals[met]), np.nan)
        log = _Log(histories, _values(histories, self.names), met, usual)
        return self._of(log, Query(starts[rows], ends[rows], codes), self.totals[codes])

    def grown(self, n_items: int) -> CountFeatures:
        """Have room for items that came later, of which nothing is known."""
        added = np.zeros((n_items - len(self.totals), self.totals.shape[1]))
        return replace(self, totals=np.concatenate([self.totals, added]), parts=None)

    def _of(self, log: _Log, query: Query, items: Float64s) -> Float32s:
        users, own = _of_users(log, query)
        means = self._means(items)
        parts = [users, np.log1p(items[:, :1]), means, means + own, _of_pairs(log, query)]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _means(self, sums: Float64s) -> Float64s:
        """Means of the columns [n, columns], shrunk towards what is usual."""
        counts, totals = sums[:, 2::2], sums[:, 3::2]
        return np.asarray((totals + SHRINK * self.usual[1:]) / (counts + SHRINK))


@dataclass(frozen=True, eq=False)
class _Log:
    """Events: what they say [n_events, 1 + columns], their items, what is usual of these [n_events, columns]."""

    histories: Histories
    values: Float64s
    codes: Int64s
    usual: Float64s


def _folds(histories: Histories) -> Int64s:
    """The fold of each event's user."""
    users = pl.Series(histories.user_ids, dtype=pl.String).hash(seed=0).to_numpy() % FOLDS
    return np.repeat(users, histories.lengths()).astype(np.int64)


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
    """What events say in numbers: [n_events, 1 + columns], the first column 1, NaN where nothing is said."""
    events = histories.events

    def read(name: str) -> Float64s:
        return events[name].cast(pl.Float64).fill_null(np.nan).to_numpy()

    found = [np.ones(events.height)]
    for name in names:
        values = np.full(events.height, np.nan)
        if name.startswith("is ") and BEHAVIOR in events.columns:
            said = events[BEHAVIOR].cast(pl.String) == name.removeprefix("is ")
            values = said.cast(pl.Float64).fill_null(np.nan).to_numpy()
        elif name == "spent" and {"price", "quantity"} <= set(events.columns):
            values = np.log1p(np.maximum(read("price") * read("quantity"), 0))
        elif name == "gap" and TIME in events.columns:
            values = np.log1p(column_of(histories, "gap").cast(pl.Float64).fill_null(np.nan).to_numpy())
        elif name in events.columns:
            values = read(name)
        found.append(values)
    return np.stack(found, axis=1)


def _sums(values: Float64s, codes: Int64s, n: int) -> Float64s:
    """For each item and column: how many values are known, and their sum: [n_items, 2 * columns]."""
    found = np.zeros((n, 2 * values.shape[1]))
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column]) & (codes >= 0)
        found[:, 2 * column] = np.bincount(codes[known], minlength=n)
        found[:, 2 * column + 1] = np.bincount(codes[known], values[known, column], minlength=n)
    return found


def _of_users(log: _Log, query: Query) -> tuple[Float64s, Float64s]:
    """Features of the user, and how far their events lie from what is usual of the items, [n, columns].

    How many events there were, means of all and of the last ten, the last one, the span in days, and again of all
    and of the last ten the mean distance from what is usual, shrunk towards none.
    """
    starts, ends, values = query.starts, query.ends, log.values[:, 1:]
    recent = np.maximum(ends - RECENT, starts)
    last, some = np.maximum(ends - 1, 0), ends > starts
    said, distance = _Running(values), _Running(values - log.usual)
    own, lately = (distance.mean(since, ends, shrink=SHRINK) for since in (starts, recent))
    newest, span = np.full((len(ends), values.shape[1]), np.nan), np.full(len(ends), np.nan)
    if len(values):
        newest = np.where(some[:, None], values[last], np.nan)
    if len(values) and TIME in log.histories.events.columns:
        times = log.histories.events[TIME].to_numpy()
        span = np.where(some, (times[last] - times[np.minimum(starts, len(times) - 1)]) / DAY, np.nan)
    counts = np.log1p(ends - starts)[:, None]
    parts = [counts, said.mean(starts, ends), said.mean(recent, ends), newest, span[:, None], own, lately]
    return np.concatenate(parts, axis=1), own


class _Running:
    """Means of stretches of values [n_events, columns], NaN where not known, from running sums."""

    def __init__(self, values: Float64s) -> None:
        known = ~np.isnan(values)
        start = np.zeros((1, values.shape[1]))
        self.total = np.concatenate([start, np.cumsum(np.where(known, values, 0), axis=0)])
        self.count = np.concatenate([start, np.cumsum(known, axis=0)])

    def mean(self, starts: Int64s, ends: Int64s, *, shrink: float = 0.0) -> Float64s:
        """Means of each stretch, NaN of none; with ``shrink`` so many zeros are added, and of none it is 0."""
        count, total = self.count[ends] - self.count[starts] + shrink, self.total[ends] - self.total[starts]
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _of_pairs(log: _Log, query: Query) -> Float64s:
    """How often the user met this item before, and what was said the last time."""
    values, met = log.values, log.codes
    if not len(met):
        empty = np.full((len(query.codes), values.shape[1]), np.nan)
        empty[:, 0] = 0
        return empty
    size = len(met) + 1
    # One number for an item and a place: sorted, the meetings of an item before some place are a stretch.
    keys = met * size + np.arange(len(met))
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], query.codes * size + query.starts)
    after = np.searchsorted(keys[order], query.codes * size + query.ends)
    times, newest = after - first, order[np.maximum(after - 1, 0)]
    said = np.where((times > 0)[:, None], values[newest, 1:], np.nan)
    return np.concatenate([np.log1p(times)[:, None], said], axis=1)


def edges_of(features: Floatings, bins: int = BINS) -> Float32s:
    """Return bounds [size, bins + 1] of parts with equally many known values; of few values each is a bound."""
    marks = np.linspace(0, 1, bins + 1)
    found = np.zeros((features.shape[1], bins + 1), dtype=np.float32)
    for column, values in enumerate(features.T):
        known = values[~np.isnan(values)]
        if not len(known):
            continue
        cuts = _apart(np.unique(known))
        if len(cuts) > bins + 1:  # quantiles would pass over the rare ones of a few values
            cuts = _apart(np.quantile(known, marks))
        found[column] = np.pad(cuts, (0, bins + 1 - len(cuts)), mode="edge")
    return found


def _apart(values: Floatings) -> Floatings:
    """Leave out of sorted values those that only rounding tells from the one before."""
    new = np.diff(values) > CLOSE * (values[-1] - values[0])
    return np.asarray(values[np.concatenate([[True], new])])
