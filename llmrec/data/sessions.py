"""Sessions: runs of a user's events, separated by a change of session id or by a pause."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.data.columns import SESSION, TIME, USER
from llmrec.data.dataset import Dataset
from llmrec.errors import DataError

# The pause after which web analytics starts a new session.
HALF_AN_HOUR = 1800


def session_numbers(data: Dataset, *, gap: int | None = None) -> Int64s:
    """Number each user's sessions from 0, int64 [n_events], in the order of the events.

    A new one begins where ``session_id`` changes or, with ``gap`` or without an id, after a pause of more than
    ``gap`` seconds (default half an hour). Raises DataError for order-only data without ids.
    """
    if data.order_only and (gap is not None or SESSION not in data.events.columns):
        raise DataError(f"{data.name}: sessions need a session_id column or times, and this log only has an order")
    first = data.events.select(pl.col(USER).ne_missing(pl.col(USER).shift(1))).to_series().fill_null(True)
    if len(first):
        first[0] = True
    total = np.cumsum((first | _begins(data.events, gap)).to_numpy())
    return np.asarray(total - np.maximum.accumulate(np.where(first.to_numpy(), total, 0)), dtype=np.int64)


def _begins(events: pl.DataFrame, gap: int | None) -> pl.Series:
    """Mark the events that begin a session by their id or by the pause before them."""
    if gap is None and SESSION in events.columns:
        changes = pl.col(SESSION).ne_missing(pl.col(SESSION).shift(1))
        paused = pl.col(TIME) - pl.col(TIME).shift(1) > HALF_AN_HOUR
        changes = changes | (pl.col(SESSION).is_null() & paused)
    else:
        pause = HALF_AN_HOUR if gap is None else gap
        if pause < 1:
            raise DataError(f"gap is {pause}; a pause between sessions takes at least 1 second")
        changes = pl.col(TIME) - pl.col(TIME).shift(1) > pause
    return events.select(changes.fill_null(False)).to_series()
