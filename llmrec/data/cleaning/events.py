"""Make raw events comparable: ids as codes, times as seconds, sorted, each event once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.data.cleaning.column_types import settle_type, types_of
from llmrec.data.cleaning.table import EventTable
from llmrec.data.cleaning.timestamps import MICROS, to_micros
from llmrec.data.columns import ITEM, TIME, USER
from llmrec.data.id_codes import encode_ids, time_order
from llmrec.data.readers.frames import flat
from llmrec.errors import DataError

log = logging.getLogger(__name__)


def code_events(
    read: Callable[[], pl.DataFrame], label: str, *, drop_bad_times: bool = False, text: Collection[str] = ()
) -> EventTable:
    """Read ids, times and numbers, drop rows that lack an id or a time, sort, drop exact duplicates.

    ``read`` returns the raw log with our column names. It is called here so that nobody else holds the log: its
    text takes most of the memory and is let go as soon as it is coded. Rows come out sorted by user, then time,
    ties in the log's order; without times the order of the rows is the order of events. Columns named in ``text``
    stay text; those of the others whose cells are all numbers, or true and false, become such columns.
    """
    raw = flat(read(), label=label, ids=(USER, ITEM))
    users, items = (encode_ids(raw[column], label=label) for column in (USER, ITEM))
    raw = raw.drop(USER, ITEM)
    micros = _micros(raw, len(users.codes), label)
    others = [settle_type(raw[name], label=label, text=text) for name in raw.columns if name != TIME]
    frame = pl.DataFrame([users.codes, items.codes, (micros // MICROS).alias(TIME), *others])
    present = frame[USER].is_not_null() & frame[ITEM].is_not_null()
    bad = present & micros.is_null()
    if bad.any() and not drop_bad_times:
        raise _bad_times(raw[TIME], bad, label)
    order_only = TIME not in raw.columns or _counts_up(frame)
    events = EventTable(frame, label, users=users.names, items=items.names, order_only=order_only)
    if others:
        events = events.record("columns read as", note=types_of(frame))
    del raw, users, items, others, frame  # the unsorted copy would be held beside the sorted one
    events = events.filter(present, "missing user or item id")
    micros = micros.filter(present)
    timed = micros.is_not_null()
    events = events.filter(timed, "missing or unreadable timestamp")
    events = events.with_frame(events.frame[time_order(events.frame[USER], micros.filter(timed))])
    return events if order_only else events.filter(~_repeated(events.frame), "exact duplicate")


def settle_order(events: EventTable) -> EventTable:
    """Number each user's events 0, 1, 2, ... where times are an order.

    Removed rows leave gaps in an order, and may leave an order where there were times: to be done last.
    """
    if not (events.order_only or _counts_up(events.frame)):
        return events
    numbered = events.frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over(USER).alias(TIME))
    return replace(events, frame=numbered, order_only=True)


def _micros(raw: pl.DataFrame, height: int, label: str) -> pl.Series:
    if TIME in raw.columns:
        return to_micros(raw[TIME], label=label)
    log.info("%s: no timestamps; the order of its rows is taken as the order of events", label)
    return pl.Series(TIME, np.arange(height, dtype=np.int64) * MICROS)


def _counts_up(events: pl.DataFrame) -> bool:
    """Whether each user's times are 0, 1, ..., n-1 (or 1, ..., n): an order that somebody wrote as times."""
    if _latest(events) > events.height:  # most logs: seen without a copy
        return False
    known = events.filter(pl.col(USER).is_not_null())
    if known[TIME].has_nulls() or known.is_empty() or _latest(known) > known.height:
        return False
    times = pl.col(TIME)
    users = known.group_by(USER).agg(
        first=times.min(), span=times.max() - times.min() + 1, n=pl.len(), distinct=times.n_unique()
    )
    starts = users["first"].unique()
    in_step = users.select((pl.col("span") == pl.col("n")) & (pl.col("n") == pl.col("distinct"))).to_series()
    return starts.len() == 1 and starts[0] in (0, 1) and bool(in_step.all())


def _latest(events: pl.DataFrame) -> int:
    times = events.filter(pl.col(USER).is_not_null())[TIME] if events[USER].has_nulls() else events[TIME]
    latest = times.max()
    return latest if isinstance(latest, int) else 0


def _repeated(events: pl.DataFrame) -> pl.Series:
    """Mark rows that equal an earlier row in every column. Rows are sorted by user and time."""
    same = (pl.col(USER) == pl.col(USER).shift(1)) & (pl.col(TIME) == pl.col(TIME).shift(1))
    tied = events.select((same | same.shift(-1)).fill_null(False).alias("tied")).to_series()
    # Only rows of one user at one time can be equal: comparing whole rows is slow.
    rows = events.with_row_index("row").filter(tied)
    further = rows.filter(~rows.select(pl.struct(pl.exclude("row")).is_first_distinct()).to_series())["row"]
    marks = np.zeros(events.height, dtype=bool)
    marks[further.to_numpy()] = True
    return pl.Series(marks)


def _bad_times(column: pl.Series, bad: pl.Series, label: str) -> DataError:
    row = int(bad.arg_true()[0])
    value = "has none" if column[row] is None else f"has {column[row]!r}"
    return DataError(
        f"{label}: {int(bad.sum())} of {column.len()} timestamps are unusable: data row {row + 1} {value}; "
        "use Unix seconds or ISO 8601 (2024-05-31T18:00Z), or pass --drop-bad-times (drop_bad_times=True)"
    )
