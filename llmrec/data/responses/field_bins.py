"""Bin the fields of events (behavior, rating, price, quantity, gap), each into a few bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from llmrec.arrays import Float64s, Int16s
from llmrec.config import EventField
from llmrec.data.columns import BEHAVIOR, TIME
from llmrec.data.histories import Histories
from llmrec.errors import DataError

UNKNOWN = 0  # the bin of a field that an event does not have

# Gaps in seconds: two minutes, an hour, six, a day, three, a week, a month, a quarter.
GAP_BOUNDS = (120.0, 3600.0, 21600.0, 86400.0, 259200.0, 604800.0, 2592000.0, 7776000.0)
MOST_VALUES = 12  # a number with more distinct values has QUANTILES quantile bins
QUANTILES = 8


class FieldBins(BaseModel):
    """The bins of one field: ``words``, or numbers between ``bounds`` with the median of each bin in ``values``.

    Bin n + 1 is ``words[n]``, or the numbers from ``bounds[n - 1]`` to below ``bounds[n]``.

    >>> FieldBins(name="behavior", words=("buy", "view")).codes(pl.Series(["view", "buy", "sell"]))
    array([2, 1, 0], dtype=int16)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: EventField
    words: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of bins, UNKNOWN included."""
        return 1 + max(len(self.words), len(self.values))

    def codes(self, column: pl.Series) -> Int16s:
        """Return each value's bin. A word that training did not have is UNKNOWN."""
        if self.name == BEHAVIOR:
            codes = {word: n for n, word in enumerate(self.words, 1)}
            bins = column.cast(pl.String).replace_strict(codes, default=UNKNOWN, return_dtype=pl.Int16)
            return bins.fill_null(UNKNOWN).to_numpy().astype(np.int16)
        numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.where(np.isnan(numbers), UNKNOWN, np.digitize(numbers, self.bounds) + 1).astype(np.int16)

    def value(self, code: int) -> str | float | None:
        """Return a bin's word or median, None of UNKNOWN."""
        if code == UNKNOWN:
            return None
        return self.words[code - 1] if self.words else self.values[code - 1]


class EventBins(BaseModel):
    """The bins of the fields that a model reads, fitted to its training events.

    >>> from llmrec.data import toy_films
    >>> EventBins.fit(toy_films().histories, ["gap"]).sizes
    (10,)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[FieldBins, ...]

    @classmethod
    def fit(cls, histories: Histories, names: Sequence[EventField], *, order_only: bool = False) -> EventBins:
        """Fit bins to training histories. Raises DataError for a field that the data lacks."""
        if "gap" in names and order_only:
            raise DataError("history.events has gap, and this log only has an order, no times; leave gap out")
        return cls(fields=tuple(_fitted(name, column_of(histories, name)) for name in names))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of bins of each field."""
        return tuple(field.size for field in self.fields)

    @property
    def columns(self) -> list[str]:
        """The event columns that are read."""
        return [TIME if field.name == "gap" else field.name for field in self.fields]

    def codes(self, histories: Histories) -> Int16s:
        """Return every event's bins, int16 [n_events, n_fields]; UNKNOWN where histories lack a column."""
        bins = np.zeros((histories.events.height, len(self.fields)), dtype=np.int16)
        for n, (field, needs) in enumerate(zip(self.fields, self.columns, strict=True)):
            if needs in histories.events.columns:
                bins[:, n] = field.codes(column_of(histories, field.name))
        return bins

    def decoded(self, codes: Sequence[int]) -> dict[str, Any]:
        """Return the values of one event's bins by field, without those that are UNKNOWN."""
        values = {field.name: field.value(code) for field, code in zip(self.fields, codes, strict=True)}
        return {name: value for name, value in values.items() if value is not None}


def column_of(histories: Histories, name: str) -> pl.Series:
    """Return a field of every event; ``gap``: seconds since the user's event before, null for the first.

    Raises DataError where the events lack it.
    """
    events, needs = histories.events, TIME if name == "gap" else name
    if needs not in events.columns:
        raise DataError(f"the events have no column '{needs}', which '{name}' needs; they have {events.columns}")
    if name != "gap":
        return events[name]
    times = events[TIME].to_numpy().astype(np.float64)
    gaps = np.diff(times, prepend=np.nan)
    gaps[histories.offsets[:-1][histories.lengths() > 0]] = np.nan
    return pl.Series(name, gaps).fill_nan(None)


def _fitted(name: EventField, column: pl.Series) -> FieldBins:
    if name == BEHAVIOR:
        return FieldBins(name=name, words=tuple(column.cast(pl.String).drop_nulls().unique().sort()))
    numbers = np.sort(column.cast(pl.Float64).drop_nulls().drop_nans().to_numpy())
    if not len(numbers):
        raise DataError(f"the column '{name}' of the events is empty; leave it out of the recipe")
    if name == "gap":
        bounds = np.array(GAP_BOUNDS)
    else:
        distinct = np.unique(numbers)
        if len(distinct) > MOST_VALUES:
            cuts = np.quantile(numbers, np.arange(1, QUANTILES) / QUANTILES)
            bounds = np.unique(cuts[cuts > distinct[0]])
        else:
            bounds = (distinct[1:] + distinct[:-1]) / 2
    return FieldBins(name=name, bounds=tuple(map(float, bounds)), values=_medians(numbers, bounds))


def _medians(numbers: Float64s, bounds: Float64s) -> tuple[float, ...]:
    """Return the median of each bin; of an empty one its lower bound."""
    bins = np.digitize(numbers, bounds)
    edges = [float(numbers[0]), *map(float, bounds)]
    return tuple(
        float(np.median(numbers[bins == n])) if (bins == n).any() else edge for n, edge in enumerate(edges)
    )
