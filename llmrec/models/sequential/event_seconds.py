"""The seconds of events, each user's counted from their first."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec.arrays import Int32s
from llmrec.data.columns import TIME
from llmrec.data.histories import Histories
from llmrec.errors import DataError

UNKNOWN = -1
LATEST = np.iinfo(np.int32).max  # 68 years


def seconds_of(histories: Histories) -> Int32s:
    """Return whole seconds since the user's first known time, int32 [n_events]; UNKNOWN without a time.

    Raises DataError for times that are neither numbers nor dates.
    """
    events, lengths = histories.events, histories.lengths()
    unknown = np.full(events.height, UNKNOWN, dtype=np.int32)
    if TIME not in events.columns or events[TIME].dtype == pl.Null:
        return unknown
    times = events[TIME]
    if isinstance(times.dtype, pl.Date | pl.Datetime):
        times = times.dt.epoch("us") / 1e6
    if not times.dtype.is_numeric():
        raise DataError(
            f"histories: {TIME} is {times.dtype}, neither seconds nor dates: convert it, or leave it out"
        )
    seconds = times.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = np.isfinite(seconds)
    users = np.repeat(np.arange(len(histories)), lengths)
    first = np.full(len(histories), np.inf)
    np.minimum.at(first, users[known], seconds[known])
    since = np.where(known, seconds - first[users], 0)
    return np.where(known, np.minimum(since, LATEST), UNKNOWN).astype(np.int32)
