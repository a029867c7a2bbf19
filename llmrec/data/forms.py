"""The three forms in which the literature gives a model a history: order, order and gaps, everything."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from llmrec.data.columns import BEHAVIOR, ITEM, SESSION, TIME
from llmrec.data.histories import Histories
from llmrec.data.sessions import session_starts
from llmrec.errors import DataError

Form = Literal["order", "gaps", "full"]

# The event's own fields in the full form, where the data has them.
_FIELDS = (BEHAVIOR, "rating", "price")


def in_form(
    histories: Histories, form: Form, *, order_only: bool = False, session_gap: int | None = None
) -> pl.DataFrame:
    """Return one row per event, in the order of ``histories.events``, with the columns of a form.

    ``order``: ``item_id``. ``gaps``: also ``gap``, seconds since the user's event before (Int64, null for the
    first). ``full``: also ``behavior``, ``rating`` and ``price`` where the data has them, and ``new_session``
    (by ``session_id``, or by a pause of ``session_gap`` seconds, default half an hour). Raises DataError for
    gaps of a log that only has an order.
    """
    if form == "order":
        return histories.events.select(ITEM)
    events = histories.events
    if order_only or TIME not in events.columns:
        told = "only has an order" if order_only else "has no timestamp column"
        raise DataError(f"the form '{form}' needs times, and this log {told}; use the form 'order'")
    first = _first(histories)
    gap = pl.when(~first).then(pl.col(TIME) - pl.col(TIME).shift(1)).alias("gap")
    if form == "gaps":
        return events.select(ITEM, gap)
    kept = [name for name in _FIELDS if name in events.columns]
    by_id = SESSION in events.columns and session_gap is None
    starts = session_starts(events, first, gap=None if by_id else session_gap)
    return events.select(ITEM, gap, *kept, new_session=starts)


def _first(histories: Histories) -> pl.Series:
    """Mark each user's first event."""
    marks = np.zeros(histories.events.height, dtype=bool)
    filled = histories.lengths() > 0
    marks[histories.offsets[:-1][filled]] = True
    return pl.Series("first", marks)
