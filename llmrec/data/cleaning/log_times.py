"""Find the times of a log: their column, or date and clock in two; the form that is given; or the rows' order."""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from llmrec.data.cleaning.column_types import holds_ids
from llmrec.data.cleaning.number_times import (
    DAY,
    FLOOR,
    FORMATS,
    Times,
    as_order,
    excel_days,
    number_times,
    written,
)
from llmrec.data.cleaning.row_order import count_against_rows, date_columns, joined_date
from llmrec.data.cleaning.text_times import CLOCK, UnclearDates, text_times
from llmrec.data.cleaning.timestamps import MICROS, to_micros
from llmrec.data.columns import NUMBERS, TIME
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_SAMPLE_ROWS = 1000
# Microseconds in each unit that --time-format takes instead of a format.
_UNITS = {"seconds": MICROS, "milliseconds": 1000, "microseconds": 1, "nanoseconds": 1e-3, "days": DAY * MICROS}
_WORDS = (*_UNITS, "excel", "order")
_CLOCK_ONLY = rf"^\s*{CLOCK}\s*$"
# Times of people and items, not of events.
_NO_EVENT = re.compile(r"birth|dob|regist|sign_?up|joined|release|publi|expir|updated", re.IGNORECASE)
# Times in a column of unknown name are times of our days.
_FIRST_YEAR = 788_918_400  # 1995
_YEAR_1000 = -30_610_224_000


@dataclass(frozen=True)
class TimeOptions:
    """What is said of a log's times instead of recognising them.

    ``time_format``: a strptime format, or one of seconds, milliseconds, microseconds, nanoseconds, days (since
    1970), excel, order. ``by_rows``: the order of the rows; ``at_random``: none of the log, the same each time.
    """

    time_format: str | None = None
    by_rows: bool = False
    at_random: bool = False


RECOGNISED = TimeOptions()


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
    holds times or another order, only with ``options.by_rows``: else DataError names it. ``users``, ``items``: of
    each row.
    """
    time_format = options.time_format
    if options.at_random and (options.by_rows or time_format is not None):
        raise DataError("--order-at-random takes no order of the log: leave out --order-by-rows and --time-format")
    if options.at_random:
        note = "a random order, as --order-at-random says"
        ranks = np.random.default_rng(0).permutation(raw.height).astype(np.int64) * MICROS
        return Times(pl.Series(TIME, ranks), note, order_only=True), [TIME] if TIME in raw.columns else []
    if options.by_rows:
        note = "the order of the rows, as --order-by-rows says"
        return _rows_in_order(raw, note), [TIME] if TIME in raw.columns else []
    parts = {} if TIME in raw.columns else date_columns(raw)
    if parts and time_format is None and not _of_items(joined := joined_date(raw, parts), items):
        used = list(parts.values())
        return _joined_note(read_times(joined, label=label), used), used
    if TIME not in raw.columns:
        _refuse_unnamed(raw, users, items, time_format=time_format, label=label)
        log.info("%s: no timestamps; the order of its rows is taken as the order of events", label)
        return replace(_rows_in_order(raw, "the order of the rows: the log has no times"), by_rows=True), []
    column, used = _whole_time(raw, label=label)
    times = read_times(column, label=label, time_format=time_format)
    return _joined_note(times, used), used


def read_times(column: pl.Series, *, label: str, time_format: str | None = None) -> Times:
    """Read one column of times, by its format where one is given."""
    if time_format is not None:
        return _by_format(column, time_format, label=label)
    if column.dtype.is_numeric():
        return number_times(column, label=label)
    if column.dtype == pl.String:
        return text_times(column, label=label)
    micros = to_micros(column, label=label)
    first, last = micros.min(), micros.max()
    if isinstance(first, int) and isinstance(last, int) and first >= 0 and last < FLOOR * MICROS:
        note = f"all times lie between {written(first)} and {written(last)}: numbers that were read as times?"
        log.warning("%s: column '%s': %s", label, column.name, note)
        return Times(micros, note)
    return Times(micros)


def _by_format(column: pl.Series, time_format: str, *, label: str) -> Times:
    if not isinstance(time_format, str):
        raise DataError(f"time_format is text such as '%d/%m/%Y', not {time_format!r}")
    if column.dtype.is_temporal():
        raise DataError(
            f"{label}: column '{column.name}' holds times already ({column.dtype}); drop --time-format"
        )
    note = f"read by --time-format {time_format}"
    if time_format in _WORDS:
        numbers = column if column.dtype.is_numeric() else column.str.strip_chars().cast(pl.Float64, strict=False)
        if (
            column.dtype == pl.String
            and (whole := column.cast(pl.Int64, strict=False)).null_count() == column.null_count()
        ):
            numbers = whole
        micros = _in_unit(numbers, time_format)
        times = Times(micros, note)
        if time_format == "order":
            times = Times(micros, as_order(numbers).note, order_only=True)
    elif "%" in time_format:
        times = Times(_strptime(column, time_format), note)
    else:
        raise DataError(
            f'--time-format {time_format}: write a format such as "%d/%m/%Y %H:%M", or one of {", ".join(_WORDS)}'
        )
    if times.micros.null_count() == len(column):
        raise DataError(
            f"{label}: no {column.name} has the form '{time_format}', e.g. {column.drop_nulls()[0]!r}; {FORMATS}"
        )
    return times


def _in_unit(numbers: pl.Series, unit: str) -> pl.Series:
    if unit == "order":
        return as_order(numbers).micros
    if unit == "excel":
        return excel_days(numbers)
    factor = _UNITS[unit]
    if numbers.dtype.is_integer():
        return numbers.cast(pl.Int64) // 1000 if unit == "nanoseconds" else numbers.cast(pl.Int64) * int(factor)
    return (numbers * float(factor)).round().cast(pl.Int64, strict=False)


def _strptime(column: pl.Series, time_format: str) -> pl.Series:
    if column.dtype.is_float() and (column.drop_nulls() % 1 == 0).all():
        column = column.cast(pl.Int64, strict=False)
    text = column.cast(pl.String).str.strip_chars()
    form = re.sub(r"\.%f", "%.f", time_format)
    if re.search(r"%[HIk]", form) and "%M" not in form:  # polars takes an hour only with its minutes
        text, form = text + " 00", f"{form} %M"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            micros = text.str.to_datetime(form, strict=False, time_unit="us").dt.epoch("us")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"--time-format {time_format}: {str(error).splitlines()[0]}") from error
    last = micros.max()
    if isinstance(last, int) and last < _YEAR_1000 * MICROS:
        raise DataError(f"--time-format {time_format} names no date; add the day, month and year")
    return micros


def _whole_time(raw: pl.DataFrame, *, label: str) -> tuple[pl.Series, list[str]]:
    """Return the time column; where it is a date or a clock alone, with the other half of another column."""
    column = raw[TIME]
    others = [name for name in raw.columns if name != TIME and name not in NUMBERS]
    if _is_clock(column):
        dates = [name for name in others if _time_kind(raw[name], label=label) in ("date", "unclear")]
        dates = ["date"] if "date" in dates else dates
        if len(dates) != 1:
            which = f"several columns are dates: {', '.join(dates)}" if dates else "no column has its dates"
            raise DataError(
                f"{label}: its times are hours of a day, e.g. '{column.drop_nulls()[0]}', and {which}; write date "
                "and time in one column, or name another with --column timestamp=NAME"
            )
        return _together(raw[dates[0]], column), [dates[0], TIME]
    clocks = [name for name in others if _is_clock(raw[name])]
    if len(clocks) == 1 and _time_kind(column, label=label) in ("date", "unclear"):
        return _together(column, raw[clocks[0]]), [TIME, clocks[0]]
    return column, [TIME]


def _together(date: pl.Series, clock: pl.Series) -> pl.Series:
    if not date.dtype.is_temporal() and date.dtype != pl.String:
        date = date.cast(pl.Int64)
    if date.dtype != pl.Date and _time_kind(date, label="") == "date":  # an unclear one is read with its clock
        date = read_times(date, label="").micros.cast(pl.Datetime("us")).dt.date()
    pieces = pl.DataFrame(
        [column.cast(pl.String).alias(name) for name, column in (("date", date), ("clock", clock))]
    )
    return pieces.select(pl.concat_str("date", pl.lit(" "), "clock").alias(TIME)).to_series()


def _is_clock(column: pl.Series) -> bool:
    if column.dtype == pl.Time:
        return True
    if column.dtype != pl.String:
        return False
    sample = column.drop_nulls().head(_SAMPLE_ROWS)
    return len(sample) > 0 and bool(sample.str.contains(_CLOCK_ONLY).all())


def _time_kind(column: pl.Series, *, label: str) -> str | None:
    """Return "date", "time" or "unclear" (day and month) where all values are recent times; None for others."""
    kind = column.dtype
    if not (kind.is_numeric() or kind == pl.String or isinstance(kind, pl.Date | pl.Datetime)):
        return None
    sample = column.drop_nulls()
    sample = sample.gather_every(max(len(sample) // _SAMPLE_ROWS, 1))
    try:
        times = read_times(sample, label=label)
    except UnclearDates:
        return "unclear"
    except DataError:
        return None
    micros = times.micros
    if times.order_only or "Excel" in times.note or not len(micros) or micros.null_count():
        return None
    recent = micros.is_between(_FIRST_YEAR * MICROS, _now_micros() + DAY * MICROS)
    if not recent.all():
        return None
    return "date" if (micros % (DAY * MICROS) == 0).all() else "time"


def _now_micros() -> int:
    return int(np.datetime64("now", "us").astype(np.int64))


def _refuse_unnamed(
    raw: pl.DataFrame, users: pl.Series, items: pl.Series, *, time_format: str | None, label: str
) -> None:
    """Stop where a column of another name holds times: an order by rows would pass over it in silence."""
    names = [
        name for name in raw.columns if name not in NUMBERS and not holds_ids(name) and not _NO_EVENT.search(name)
    ]
    named = [name for name in names if _time_kind(raw[name], label=label) and not _of_items(raw[name], items)]
    if named:
        examples = ", ".join(f"'{name}' ({raw[name].drop_nulls()[0]})" for name in named)
        raise DataError(
            f"{label}: no column is named for the time of events, but {examples} holds times; name it with "
            f"--column timestamp={named[0]} (columns={{...}}), or pass --order-by-rows (order_by_rows=True)"
        )
    if time_format is not None:
        raise DataError(
            f"{label}: --time-format is given, and no column of times; name it with --column timestamp=NAME"
        )
    counted = count_against_rows(raw, users)
    if counted is not None and not _of_items(raw[counted], items):
        raise DataError(
            f"{label}: no column is named for the time of events, and '{counted}' counts a user's events in "
            f"another order than the rows; name it with --column timestamp={counted}, or pass --order-by-rows "
            "(order_by_rows=True)"
        )


def _of_items(column: pl.Series, items: pl.Series) -> bool:
    """Whether a column says something of an item, such as when it came out: an item's events agree on it."""
    pairs = pl.DataFrame([items.alias("item"), column.alias("value")])
    n_items = items.n_unique()
    return n_items * 2 <= len(items) and pairs.n_unique() == n_items


def _rows_in_order(raw: pl.DataFrame, note: str) -> Times:
    return Times(pl.Series(TIME, np.arange(raw.height, dtype=np.int64) * MICROS), note, order_only=True)


def _joined_note(times: Times, used: list[str]) -> Times:
    if len(used) < 2:
        return times
    both = f"{', '.join(used[:-1])} and {used[-1]} read as one time"
    return Times(times.micros, f"{both}; {times.note}" if times.note else both, times.order_only)
