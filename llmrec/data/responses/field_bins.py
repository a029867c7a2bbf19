"""Sort the fields of events (behavior, rating, price, quantity, pause) into a few levels each."""

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

UNKNOWN = 0  # the level of a field that an event does not say

# Pauses in seconds: two minutes, an hour, six, a day, three, a week, a month, a quarter.
GAP_BOUNDS = (120.0, 3600.0, 21600.0, 86400.0, 259200.0, 604800.0, 2592000.0, 7776000.0)
MOST_VALUES = 12  # a number with more distinct values is cut into QUANTILES parts of equal size
QUANTILES = 8


class FieldLevels(BaseModel):
    """One field: either ``words``, or numbers cut at ``bounds`` with a typical value in each part.

    Level n + 1 is ``words[n]``, or the numbers from ``bounds[n - 1]`` to below ``bounds[n]``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: EventField
    words: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of levels, UNKNOWN included."""
        return 1 + max(len(self.words), len(self.values))

    def codes(self, column: pl.Series) -> Int16s:
        """Return each value's level. A word that was not there in training is UNKNOWN."""
        if self.name == BEHAVIOR:
            known = {word: n for n, word in enumerate(self.words, 1)}
            found = column.cast(pl.String).replace_strict(known, default=UNKNOWN, return_dtype=pl.Int16)
            return found.fill_null(UNKNOWN).to_numpy().astype(np.int16)
        numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        levels = np.digitize(numbers, self.bounds) + 1
        return np.where(np.isnan(numbers), UNKNOWN, levels).astype(np.int16)

    def value(self, level: int) -> str | float | None:
        """What an event of this level says: a word, or a typical number."""
        if level == UNKNOWN:
            return None
        return self.words[level - 1] if self.words else self.values[level - 1]


class EventLevels(BaseModel):
    """The fields that a model reads, as they were in its training events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[FieldLevels, ...]

    @classmethod
    def fit(cls, histories: Histories, names: Sequence[EventField], *, order_only: bool = False) -> EventLevels:
        """Find the levels in training histories. Raises DataError for a field that the data lacks."""
        if "gap" in names and order_only:
            raise DataError("history.events has gap, and this log only has an order, no times; leave gap out")
        return cls(fields=tuple(_levels(name, column_of(histories, name)) for name in names))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of levels of each field."""
        return tuple(field.size for field in self.fields)

    @property
    def columns(self) -> list[str]:
        """The event columns that are read."""
        return [TIME if field.name == "gap" else field.name for field in self.fields]

    def codes(self, histories: Histories) -> Int16s:
        """Return every event's levels, int16 [n_events, n_fields]; UNKNOWN where histories lack a column."""
        found = np.zeros((histories.events.height, len(self.fields)), dtype=np.int16)
        for place, (field, needs) in enumerate(zip(self.fields, self.columns, strict=True)):
            if needs in histories.events.columns:
                found[:, place] = field.codes(column_of(histories, field.name))
        return found

    def said(self, levels: Sequence[int]) -> dict[str, Any]:
        """What an event of these levels says, by field; nothing of what is unknown."""
        told = {field.name: field.value(level) for field, level in zip(self.fields, levels, strict=True)}
        return {name: value for name, value in told.items() if value is not None}


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


def _levels(name: EventField, column: pl.Series) -> FieldLevels:
    if name == BEHAVIOR:
        return FieldLevels(name=name, words=tuple(column.cast(pl.String).drop_nulls().unique().sort()))
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
    return FieldLevels(name=name, bounds=tuple(map(float, bounds)), values=_typical(numbers, bounds))


def _typical(numbers: Float64s, bounds: Float64s) -> tuple[float, ...]:
    """Return the median of each part; of an empty one its lower bound."""
    parts = np.digitize(numbers, bounds)
    edges = [float(numbers[0]), *map(float, bounds)]
    return tuple(
        float(np.median(numbers[parts == n])) if (parts == n).any() else edge for n, edge in enumerate(edges)
    )
