"""The days on which events happened, where the log has times and not only an order."""

from __future__ import annotations

import polars as pl

from llmrec.arrays import Float64s
from llmrec.data.columns import TIME

MONTH = 30.0
_SECONDS = 86400
# A smaller number of seconds is an order, not a time: nobody logged before 1973.
_FIRST_TIME = 1e8


def days_of(events: pl.DataFrame) -> Float64s | None:
    """Return each event's day since 1970, float64 [n]; None where the log has no times but an order."""
    times = events.get_column(TIME, default=None)
    if times is None or times.null_count() or not len(times):
        return None
    if times.dtype == pl.Date:
        times = times.cast(pl.Int64) * _SECONDS
    elif times.dtype.is_temporal():
        times = times.dt.epoch("s")
    if not times.dtype.is_numeric():
        return None
    seconds: Float64s = times.cast(pl.Float64).to_numpy()
    return seconds / _SECONDS if seconds.min() >= _FIRST_TIME else None
