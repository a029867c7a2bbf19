"""Tell what the numbers of a time column are: Unix times, digits of a date, Excel days, or a mere order."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from llmrec.data.cleaning.timestamps import MICROS, to_micros
from llmrec.errors import DataError

DAY = 86_400
# The first times that logs have, in seconds: smaller numbers are something else. 1e8 is March 1973.
FLOOR = 10**8
# A log in parts of a second was written by a computer of our days (2000): so .NET ticks are not taken for it.
_FINE_FLOOR = 946_684_800
# Whole numbers below it, or below the number of rows, count something: orders, years, hhmm.
_LARGEST_ORDER = 100_000
_YEAR_10000 = 253_402_300_800
# A million times it is still an Int64.
_LARGEST_COUNT = 10**12
# Day 25569 of Excel is 1970-01-01. Whole numbers are taken for days only from 2000 on, others from 1982.
_EXCEL_1970, _EXCEL_2000, _EXCEL_1982 = 25_569, 36_526, 30_000
# How many digits a date takes as a number, the smallest and the largest one, and what completes it to a second.
_DIGITS = (
    ("YYYYMMDD", 19_000_101, 21_001_231, "000000"),
    ("YYYYMMDDhh", 2_000_010_100, 2_100_123_123, "0000"),
    ("YYYYMMDDhhmm", 190_001_010_000, 210_012_312_359, "00"),
    ("YYYYMMDDhhmmss", 19_000_101_000_000, 21_001_231_235_959, ""),
)
# So many of the numbers must be such dates; the others are bad times.
_SHARE = 0.9
FORMATS = "--time-format seconds (milliseconds, days, excel, order, or its digits: %d%m%Y)"


@dataclass(frozen=True, eq=False)
class Times:
    """Times as ``micros``, Int64 microseconds, null where one cannot be read.

    ``note`` says what they were read as. With ``order_only`` they are an order, and equal ones of a user a basket;
    with ``by_rows`` that of the log's rows, which nobody named.
    """

    micros: pl.Series
    note: str = ""
    order_only: bool = False
    by_rows: bool = False


def number_times(column: pl.Series, *, label: str) -> Times:
    """Read numbers by what all of them can be. Raises DataError where that is nothing plausible, or unclear."""
    finite = column.filter(column.is_finite()) if column.dtype.is_float() else column.drop_nulls()
    if finite.is_empty():
        return Times(to_micros(column, label=label))
    low, high = float(finite.min()), float(finite.max())  # type: ignore[arg-type]
    whole = not column.dtype.is_float() or bool((finite % 1 == 0).all())
    digits = _dates(column, high) if whole else None
    if digits is not None:
        return digits
    if high >= FLOOR:
        return Times(_unix_times(column, finite, high, label=label))
    days = _tomorrow() / DAY + _EXCEL_1970
    if low >= (_EXCEL_2000 if whole else _EXCEL_1982) and high <= days:
        return _noted(column, excel_days(column), "Excel's days")
    if whole and low >= 0 and high < max(_LARGEST_ORDER, len(column)):
        return as_order(column)
    raise _implausible(column.name, low, high, label)


def as_order(column: pl.Series) -> Times:
    """Take numbers as each user's order of events."""
    numbers = column.cast(pl.Float64).fill_nan(None)
    low, high = (f"{number:.15g}" for number in numbers.drop_nulls().sort()[[0, -1]])
    counts = numbers if (numbers.abs() < _LARGEST_COUNT).all() else numbers.rank("dense")
    micros = (counts.cast(pl.Float64) * MICROS).round().cast(pl.Int64, strict=False)
    note = (
        f"{low} to {high} is an order, not a time; equal ones of a user stay together "
        "(--time-format seconds reads seconds)"
    )
    return Times(micros, note, order_only=True)


def excel_days(column: pl.Series) -> pl.Series:
    """Turn days of Excel, whose fractions are the time of day, into microseconds."""
    millis = ((column.cast(pl.Float64) - _EXCEL_1970) * (DAY * 1000)).round()
    return millis.cast(pl.Int64, strict=False) * 1000


def written(micros: int) -> str:
    """Write a time for a message."""
    if not 0 <= micros / MICROS < _YEAR_10000:  # more than Python's datetime holds, or before 1970
        return str(np.datetime64(micros, "us").astype("datetime64[s]")).replace("T", " ")
    return datetime.fromtimestamp(micros / MICROS, UTC).strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")


def _dates(column: pl.Series, high: float) -> Times | None:
    """Read numbers whose digits are those of dates; None where too many are not."""
    for name, least, largest, rest in _DIGITS:
        if not least <= high <= largest or (name == "YYYYMMDDhh" and high <= _tomorrow()):
            continue
        numbers = column.cast(pl.Int64, strict=False)
        fits = numbers.is_between(least, largest)
        text = pl.DataFrame({"text": numbers, "fits": fits}).select(
            pl.when("fits").then(pl.col("text").cast(pl.String) + rest)
        )
        micros = text.to_series().str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us").dt.epoch("us")
        present = int((numbers > 0).sum())
        if len(micros) - micros.null_count() >= _SHARE * present:
            return _noted(column, micros, f"dates ({name})")
    return None


def _unix_times(column: pl.Series, finite: pl.Series, high: float, *, label: str) -> pl.Series:
    micros = to_micros(column, label=label)
    latest = micros.max()
    if not isinstance(latest, int):  # no number is small enough for a time
        raise _implausible(column.name, float(finite.min()), high, label)  # type: ignore[arg-type]
    fine = latest < high * (MICROS - 1)
    earliest = micros.filter(micros > 0).min()
    if isinstance(earliest, int) and earliest > _tomorrow() * MICROS:
        raise _implausible(column.name, float(finite.min()), high, label)  # type: ignore[arg-type]
    if fine and latest < _FINE_FLOOR * MICROS:
        raise _implausible(column.name, float(finite.min()), high, label)  # type: ignore[arg-type]
    return micros


def _implausible(name: str, low: float, high: float, label: str) -> DataError:
    return DataError(
        f"{label}: column '{name}' ({low:.15g} to {high:.15g}) holds neither Unix times between 1973 and today "
        f"nor dates; say what its numbers are: {FORMATS}"
    )


def _noted(column: pl.Series, micros: pl.Series, what: str) -> Times:
    row = int(micros.is_not_null().arg_max() or 0)
    return Times(micros, f"read as {what}: {column[row]} is {written(micros[row])}")


def _tomorrow() -> float:
    return time.time() + DAY
