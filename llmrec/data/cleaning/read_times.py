"""Read one column of times, by a format where one is given; or tell whether a column holds times."""

from __future__ import annotations

import logging
import re
import warnings

import numpy as np
import polars as pl

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
from llmrec.data.cleaning.rounded_times import RoundedTimes, refuse_float32
from llmrec.data.cleaning.text_times import UnclearDates, text_times
from llmrec.data.cleaning.timestamps import MICROS, to_micros
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_SAMPLE_ROWS = 1000
# Microseconds in each unit that --time-format takes instead of a format.
_UNITS = {"seconds": MICROS, "milliseconds": 1000, "microseconds": 1, "nanoseconds": 1e-3, "days": DAY * MICROS}
_WORDS = (*_UNITS, "excel", "order")
# Times in a column of unknown name are times of our days.
_FIRST_YEAR = 788_918_400  # 1995
_YEAR_1000 = -30_610_224_000


def read_times(column: pl.Series, *, label: str, time_format: str | None = None) -> Times:
    """Read one column of times, by its format where one is given. Raises DataError for what cannot be told."""
    refuse_float32(column, label=label)
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


def time_kind(column: pl.Series, *, label: str) -> str | None:
    """Tell what a column holds by its values: "date", "time", or None where not all are recent times.

    Times that cannot be read as they are: "unclear" (day and month), "rounded".
    """
    kind = column.dtype
    if not (kind.is_numeric() or kind == pl.String or isinstance(kind, pl.Date | pl.Datetime)):
        return None
    sample = column.drop_nulls()
    sample = sample.gather_every(max(len(sample) // _SAMPLE_ROWS, 1))
    try:
        times = read_times(sample, label=label)
    except UnclearDates:
        return "unclear"
    except RoundedTimes:
        numbers = sample.str.replace(",", ".") if kind == pl.String else sample
        return "rounded" if time_kind(numbers.cast(pl.Float64, strict=False), label=label) else None
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
