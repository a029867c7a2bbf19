"""The days on which events happened, where the log has times and not only an order."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.data.columns import TIME

MONTH = 30
_SECONDS = 86_400
# A smaller day is that of an order, not of a time: nobody logged before March 1973.
_FIRST_DAY = 1157


def days_of(events: pl.DataFrame) -> Int64s | None:
    """Return each event's day since 1970 (UTC), int64 [n]; None where the log has no times but an order."""
    days = _days(events)
    return None if days is None or days.min() < _FIRST_DAY else days


def starts_of_days(events: pl.DataFrame) -> pl.Series | None:
    """Return each event's time cut to its day (UTC), in seconds since 1970; None where no event has a time."""
    days = _days(events)
    return None if days is None or days.max() < _FIRST_DAY else pl.Series(TIME, days * _SECONDS)


def _days(events: pl.DataFrame) -> Int64s | None:
    times = events.get_column(TIME, default=None)
    if times is None or times.null_count() or not len(times):
        return None
    if times.dtype == pl.Date:
        times = times.cast(pl.Int64) * _SECONDS
    elif times.dtype.is_temporal():
        times = times.dt.epoch("s")
    if not times.dtype.is_numeric() or (times.dtype.is_float() and not times.is_finite().all()):
        return None
    days: Int64s = np.floor(times.cast(pl.Float64).to_numpy() / _SECONDS).astype(np.int64)
    return days
