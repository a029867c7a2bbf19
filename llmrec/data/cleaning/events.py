"""Make raw events comparable: ids as codes, times as seconds, sorted, each event once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.data.cleaning.column_types import settle_types, types_of
from llmrec.data.cleaning.log_times import RECOGNISED, TimeOptions, log_times
from llmrec.data.cleaning.number_times import written
from llmrec.data.cleaning.order_fields import fill_order_fields
from llmrec.data.cleaning.sorted_rows import STEP, sorted_rows
from llmrec.data.cleaning.table import EventTable, RawLog
from llmrec.data.cleaning.timestamps import unix_seconds
from llmrec.data.columns import ITEM, TIME, USER
from llmrec.data.id_codes import EncodedIds, encode_ids, time_order
from llmrec.data.readers.frames import flat
from llmrec.data.readers.known_names import plain_name
from llmrec.errors import DataError

_ROW = "\x1frow"  # no column of a log has this name


def code_events(
    read: Callable[[], RawLog],
    label: str,
    *,
    drop_bad_times: bool = False,
    text: Collection[str] = (),
    time_options: TimeOptions = RECOGNISED,
    blank_bad_numbers: bool = False,
) -> EventTable:
    """Read ids, times and numbers, drop rows that lack an id or a time, sort, drop exact duplicates.

    ``read`` returns the raw log with our column names. It is called here so that nobody else holds the log: its
    text takes most of the memory and is let go as soon as it is coded. Rows come out sorted by user, then time,
    ties in the log's order; without times the order of the rows is the order of events. Columns named in ``text``
    stay text, in whatever case; those of the others whose cells are all numbers, or true and false, become such
    columns. For ``blank_bad_numbers`` see ``require_numbers``.
    """
    loaded = read()
    raw, steps = flat(loaded.frame, label=label, ids=(USER, ITEM)), loaded.steps
    if TIME in loaded.frame.columns and TIME not in raw.columns:  # the order of rows would take its place
        raise DataError(f"{label}: column '{TIME}' holds {loaded.frame[TIME].dtype}, no times; write them as text")
    time_options = replace(time_options, name=loaded.time_name, given=loaded.time_given)
    del loaded
    users, items = (encode_ids(raw.drop_in_place(column), label=label, raw=True) for column in (USER, ITEM))
    times, used = log_times(raw, users.codes, items.codes, label=label, options=time_options)
    plain = [raw[name] for name in raw.columns if name not in used]
    untyped = _in_any_case(raw.columns, text)
    others, blanked = settle_types(plain, label=label, text=untyped, blank_bad_numbers=blank_bad_numbers)
    frame = pl.DataFrame([users.codes, items.codes, unix_seconds(times.micros).alias(TIME), *others])
    frame, of_orders = fill_order_fields(frame)
    present = frame[USER].is_not_null() & frame[ITEM].is_not_null()
    if not drop_bad_times:
        _check_times(raw, present & times.micros.is_null(), label)
    events = EventTable(frame, label, steps, users=users.names, items=items.names, order_only=times.order_only)
    notes = {ids.codes.name: ids.note for ids in (users, items)}
    notes |= {TIME: times.note, "order fields": of_orders, "columns read as": types_of(frame) if others else ""}
    doubts = _doubts(users, items) | {STEP: sorted_rows(frame, items.names) if times.by_rows else ""}
    events = _recorded(events, notes, blanked | doubts)
    micros = times.micros
    del raw, plain, users, items, others, frame, times  # the unsorted copy would be held beside the sorted one
    events = events.filter(present, "missing user or item id")
    micros = micros.filter(present)
    events = events.filter(micros.is_not_null(), "missing or unreadable timestamp")
    micros = micros.drop_nulls()
    order = time_order(events.frame[USER], micros)
    events = events.with_frame(events.frame[order])
    if len(micros) and not events.order_only:
        first, last = written(int(micros.min())), written(int(micros.max()))  # type: ignore[arg-type]
        events = events.record("time span", note=f"{first} to {last}")
    return events.filter(~_repeated(events.frame), "exact duplicate")


def _doubts(*columns: EncodedIds) -> dict[str, str]:
    return {f"{ids.codes.name}: written in two forms": ids.doubt for ids in columns}


def _in_any_case(columns: Collection[str], names: Collection[str]) -> list[str]:
    plain = {plain_name(name) for name in names}
    return [name for name in columns if plain_name(name) in plain]


def _recorded(events: EventTable, notes: dict[str, str], warnings: dict[str, str]) -> EventTable:
    for name, note in (notes | warnings).items():
        if note:
            level = logging.WARNING if name in warnings else logging.INFO
            events = events.record(name, note=note, level=level)
    return events


def settle_order(events: EventTable) -> EventTable:
    """Number each user's events 0, 1, 2, ... where times are an order; those of one number stay together.

    Removed rows leave gaps in an order: to be done last.
    """
    if not events.order_only:
        return events
    changes = pl.col(TIME) != pl.col(TIME).shift(1)
    steps = pl.when(pl.col(USER) == pl.col(USER).shift(1)).then(changes.cast(pl.Int64)).fill_null(0)
    numbered = events.frame.with_columns(steps.alias(TIME))
    return events.with_frame(numbered.with_columns(pl.col(TIME).cum_sum().over(USER)))


def _repeated(events: pl.DataFrame) -> pl.Series:
    """Mark rows that equal an earlier row in every column. Rows are sorted by user and time."""
    same = (pl.col(USER) == pl.col(USER).shift(1)) & (pl.col(TIME) == pl.col(TIME).shift(1))
    tied = events.select((same | same.shift(-1)).fill_null(False).alias("tied")).to_series()
    # Only rows of one user at one time can be equal: comparing whole rows is slow.
    rows = events.with_row_index(_ROW).filter(tied)
    further = rows.filter(~rows.select(pl.struct(pl.exclude(_ROW)).is_first_distinct()).to_series())[_ROW]
    marks = np.zeros(events.height, dtype=bool)
    marks[further.to_numpy()] = True
    return pl.Series(marks)


def _check_times(raw: pl.DataFrame, bad: pl.Series, label: str) -> None:
    if not bad.any():
        return
    column = raw[TIME]
    row = int(bad.arg_true()[0])
    value = "has none" if column[row] is None else f"has {column[row]!r}"
    raise DataError(
        f"{label}: {int(bad.sum())} of {column.len()} timestamps are unusable: data row {row + 1} {value}; "
        "use Unix seconds or ISO 8601 (2024-05-31T18:00Z), say their form with --time-format, or pass "
        "--drop-bad-times (drop_bad_times=True)"
    )
