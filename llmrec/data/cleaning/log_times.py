"""Find the times of a log: their column, or date and clock in two; the form that is given; or the rows' order."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from llmrec.data.cleaning.date_and_clock import WholeTime, whole_time, with_clock
from llmrec.data.cleaning.number_times import Times
from llmrec.data.cleaning.other_times import fuller_times, of_items, refuse_no_times, refuse_unnamed
from llmrec.data.cleaning.read_times import read_times
from llmrec.data.cleaning.rounded_times import RoundedTimes, rounded_like_float32
from llmrec.data.cleaning.row_order import date_columns, joined_date
from llmrec.data.cleaning.table import Step
from llmrec.data.cleaning.text_times import UnclearDates
from llmrec.data.cleaning.timestamps import MICROS
from llmrec.data.columns import TIME
from llmrec.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TimeOptions:
    """What is said of a log's times instead of recognising them.

    ``time_format``: a strptime format, or one of seconds, milliseconds, microseconds, nanoseconds, days (since
    1970), excel, order. ``by_rows``: the order of the rows; ``at_random``: none of the log, the same each time.
    ``name``: what the log calls its column of times, ``given``: whether somebody said so.
    """

    time_format: str | None = None
    by_rows: bool = False
    at_random: bool = False
    name: str = TIME
    given: bool = False


RECOGNISED = TimeOptions()
# What the step says that settles the times, where nothing says in which order events came.
_NO_TIMES = "the order of the rows: the log has no times"
_AT_RANDOM = "a random order, as --order-at-random says"


def log_times(
    raw: pl.DataFrame,
    users: pl.Series,
    items: pl.Series,
    *,
    label: str,
    options: TimeOptions = RECOGNISED,
) -> tuple[Times, list[str]]:
    """Read the times of raw events, and return the columns that they were read from.

    Without a column of times, or of year, month and day, the rows' order is taken; where a column of another name
    holds times or another order, only with ``options.by_rows``: else DataError names it, and so it does where the
    column that is named for times holds none. ``users``, ``items``: of each row.
    """
    time_format = options.time_format
    if options.at_random and (options.by_rows or time_format is not None):
        raise DataError("--order-at-random takes no order of the log: leave out --order-by-rows and --time-format")
    if options.at_random:
        ranks = np.random.default_rng(0).permutation(raw.height).astype(np.int64) * MICROS
        return Times(pl.Series(TIME, ranks), _AT_RANDOM, order_only=True), [TIME] if TIME in raw.columns else []
    if options.by_rows:
        note = "the order of the rows, as --order-by-rows says"
        return _rows_in_order(raw, note), [TIME] if TIME in raw.columns else []
    if TIME in raw.columns:
        return _named_times(raw, items, label=label, options=options)
    parts = date_columns(raw)
    if parts and time_format is None and not of_items(date := joined_date(raw, parts), items):
        whole = with_clock(raw, date, list(parts.values())[:3])
        return _noted(read_times(whole.column, label=label), whole, name=TIME, label=label), whole.used
    refuse_unnamed(raw, users, items, time_format=time_format, label=label)
    log.info("%s: no timestamps; the order of its rows is taken as the order of events", label)
    return replace(_rows_in_order(raw, _NO_TIMES), by_rows=True), []


def are_ordered(steps: Iterable[Step]) -> bool:
    """Whether a log whose cleaning took these steps says in which order events came: by times, or otherwise."""
    return not any(step.name == TIME and step.note in (_NO_TIMES, _AT_RANDOM) for step in steps)


def _named_times(
    raw: pl.DataFrame, items: pl.Series, *, label: str, options: TimeOptions
) -> tuple[Times, list[str]]:
    """Read the column that is named for times, with what other columns say of them."""
    time_format, name = options.time_format, options.name
    guessed = not options.given and time_format is None
    try:
        whole = whole_time(raw, items, name=name, label=label, time_format=time_format)
        times = read_times(whole.column, label=label, time_format=time_format)
    except (RoundedTimes, UnclearDates):
        raise
    except DataError:
        if guessed:
            refuse_no_times(raw, items, name=name, label=label)
        raise
    if guessed and (times.order_only or times.micros.null_count() == raw.height):
        refuse_no_times(raw, items, name=name, label=label)
    used = whole.used
    if guessed and used == [TIME]:
        times, fuller = fuller_times(raw, items, times, name=name, label=label)
        used = [TIME, *fuller]
    return _noted(times, whole, name=name, label=label), used


def _rows_in_order(raw: pl.DataFrame, note: str) -> Times:
    return Times(pl.Series(TIME, np.arange(raw.height, dtype=np.int64) * MICROS), note, order_only=True)


def _noted(times: Times, whole: WholeTime, *, name: str, label: str) -> Times:
    """Say which columns are read as one time, and warn of times that lost digits."""
    notes = [whole.note, times.note]
    if len(whole.used) > 1:
        *first, last = (name if column == TIME else column for column in whole.used)
        notes.insert(0, f"{', '.join(first)} and {last} read as one time")
    if not times.order_only and rounded_like_float32(times.micros):
        notes.append("all are numbers that Float32 holds, minutes apart: digits were lost; export whole numbers")
        log.warning("%s: %s: %s", label, name, notes[-1])
    return replace(times, note="; ".join(note for note in notes if note))
