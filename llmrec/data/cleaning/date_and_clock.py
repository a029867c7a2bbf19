"""Put date and time of day together where a log has them in columns of their own: 10:30, 1030 or hour 10."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from llmrec.data.cleaning.other_times import columns_with_times
from llmrec.data.cleaning.read_times import read_times, time_kind
from llmrec.data.cleaning.row_order import clock_columns, date_columns, joined_clock, joined_date
from llmrec.data.cleaning.text_times import CLOCK
from llmrec.data.columns import NUMBERS, TIME
from llmrec.data.readers.known_names import plain_name
from llmrec.errors import DataError

_SAMPLE_ROWS = 1000
_CLOCK_ONLY = rf"^\s*{CLOCK}\s*$"
# Digits are a time of day only where a column's name says so, and not how long something took.
_NAMED_CLOCK = re.compile(r"time|clock|hour|hhmm|uhrzeit|heure|hora|时间", re.IGNORECASE)
_NO_CLOCK = re.compile(
    r"stamp|zone|dur|spent|length|elapsed|watch|listen|dwell|play|read|view|prep|cook|deliver|wait|travel|run|total"
    r"|session|stay|respon|load|sec|min|(^|[\s_.-])ms$|hours$|times$",
    re.IGNORECASE,
)
_DIGITS = r"^\d{1,6}$"
# Formats that name a time of day.
_WITH_CLOCK = re.compile(r"%[HIklMTRr]")
_DATE_OR_CLOCK = re.compile("date|datum|day|fecha|time|uhrzeit|zeit|clock|hhmm|hour")
_STARTS = ("start", "begin")


@dataclass(frozen=True, eq=False)
class WholeTime:
    """A column of times, the columns that it was put together from, and what is to be said of that."""

    column: pl.Series
    used: list[str]
    note: str = ""


def whole_time(
    raw: pl.DataFrame, items: pl.Series, *, name: str, label: str, time_format: str | None = None
) -> WholeTime:
    """Return the column of times, ``name`` in the log, with its other half where it is a date or a clock alone.

    Numbers such as 1030 are a clock without a format, or with one that has a time of day. Raises DataError for
    times such as 10:30 without one column of dates.
    """
    column = raw[TIME]
    digits = time_format is None or _WITH_CLOCK.search(str(time_format)) is not None
    if _is_clock(column):
        return _with_date(raw, items, column, label=label)
    clock = _digit_clock(column, name) if digits else None
    if clock is not None:
        try:
            return _with_date(raw, items, clock, label=label)
        except DataError:
            return WholeTime(column, [TIME])
    if time_kind(column, label=label) not in ("date", "unclear"):
        return WholeTime(column, [TIME])
    return with_clock(raw, column, [TIME], name=name, digits=digits)


def with_clock(
    raw: pl.DataFrame, date: pl.Series, used: list[str], *, name: str = "date", digits: bool = True
) -> WholeTime:
    """Return dates with the time of day of another column; the dates alone where there is not one such column.

    ``used``: the columns of the dates, ``name`` in the log. ``digits``: a clock may be numbers.
    """
    clocks = {
        other: clock
        for other in raw.columns
        if other != TIME and other not in NUMBERS and (clock := _clock(raw[other], digits=digits)) is not None
    }
    parts = clock_columns(raw) if digits else {}
    chosen = _of_these_dates(clocks, name, or_else=bool(parts))
    if chosen:
        return WholeTime(_together(date, clocks[chosen]), [*used, chosen])
    if parts:
        return WholeTime(_together(date, joined_clock(raw, parts)), [*used, *parts.values()])
    if clocks:
        note = f"the days alone: which of {', '.join(clocks)} is the time of day is unclear; rename it to time"
        return WholeTime(date, used, note)
    return WholeTime(date, used)


def _with_date(raw: pl.DataFrame, items: pl.Series, clock: pl.Series, *, label: str) -> WholeTime:
    kinds = columns_with_times(raw, items, label=label)
    dates = [name for name, kind in kinds.items() if kind in ("date", "unclear")]
    dates = ["date"] if "date" in dates else dates
    parts = {} if dates else date_columns(raw)
    if parts:
        return WholeTime(_together(joined_date(raw, parts), clock), [*parts.values(), TIME])
    if len(dates) != 1:
        which = f"several columns are dates: {', '.join(dates)}" if dates else "no column has its dates"
        raise DataError(
            f"{label}: its times are hours of a day, e.g. '{clock.drop_nulls()[0]}', and {which}; write date "
            "and time in one column, or name another with --column timestamp=NAME"
        )
    return WholeTime(_together(raw[dates[0]], clock), [dates[0], TIME])


def _together(date: pl.Series, clock: pl.Series) -> pl.Series:
    if not date.dtype.is_temporal() and date.dtype != pl.String:
        date = date.cast(pl.Int64)
    if date.dtype != pl.Date and time_kind(date, label="") == "date":  # an unclear one is read with its clock
        date = read_times(date, label="").micros.cast(pl.Datetime("us")).dt.date()
    pieces = pl.DataFrame(
        [column.cast(pl.String).alias(name) for name, column in (("date", date), ("clock", clock))]
    )
    return pieces.select(pl.concat_str("date", pl.lit(" "), "clock").alias(TIME)).to_series()


def _of_these_dates(clocks: Mapping[str, pl.Series], name: str, *, or_else: bool) -> str:
    """Return the clock of the dates of ``name``, by its name, or as the only one; "" where it is unclear.

    ``or_else``: there is another way to tell the time of day.
    """
    stems = {other: _DATE_OR_CLOCK.sub("", plain_name(other)) for other in clocks}
    wanted = ((_DATE_OR_CLOCK.sub("", plain_name(name)),), ("",), _STARTS)
    groups = [[other for other in clocks if stems[other] in stem] for stem in wanted]
    groups += [] if or_else else [list(clocks)]
    return next((group[0] for group in groups if len(group) == 1), "")


def _clock(column: pl.Series, *, digits: bool) -> pl.Series | None:
    if _is_clock(column):
        return column
    return _digit_clock(column, column.name) if digits else None


def _is_clock(column: pl.Series) -> bool:
    if column.dtype == pl.Time:
        return True
    if column.dtype != pl.String:
        return False
    sample = column.drop_nulls().head(_SAMPLE_ROWS)
    return len(sample) > 0 and bool(sample.str.contains(_CLOCK_ONLY).all())


def _digit_clock(column: pl.Series, name: str) -> pl.Series | None:
    """Return hhmm or hhmmss as 08:30:00; None where one is no time of day, or the column is not named for them."""
    if not _NAMED_CLOCK.search(name) or _NO_CLOCK.search(name):
        return None
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return None
    text = column.cast(pl.Int64, strict=False) if column.dtype.is_float() else column
    text = text.cast(pl.String).str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
    present = text.drop_nulls()
    if text.null_count() > column.null_count() or not len(present) or not present.str.contains(_DIGITS).all():
        return None
    width = max(present.str.len_chars().unique())
    if width < 3:  # an hour, a minute, or a count
        return None
    padded = text.str.zfill(6 if width > 4 else 4).str.pad_end(6, "0")
    parts = padded.str.extract_groups(r"^(?<hour>\d{2})(?<minute>\d{2})(?<second>\d{2})$").struct.unnest()
    hour, minute, second = (pl.col(part).cast(pl.Int64) for part in parts.columns)
    if not parts.select(((hour < 24) & (minute < 60) & (second < 60)).all()).item():
        return None
    return parts.select(pl.concat_str("hour", "minute", "second", separator=":").alias(column.name)).to_series()
