"""What tells the order of a log without a column of times: year, month and day apart, or a count of events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from llmrec.data.columns import TIME

_DATE = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31)}
_CLOCK = {"hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
_NONE = "\x1f00"  # no column of a log has this name
_COUNTS = re.compile(
    r"(^|[\s_.-])(seq|sequence|order|step|index|idx|position|pos|rank|turn|visit|nth)"
    r"([\s_.-]?(number|num|nr|n|index|idx))?$",
    re.IGNORECASE,
)


# Days, weeks and months that are numbered beyond those of a week, a month or a year.
_PERIODS = re.compile(r"^(day|week|month)([\s_.-]?(number|num|nr|no|index|idx|id))?$", re.IGNORECASE)
_CYCLES = {"day": 31, "week": 53, "month": 12}


def date_columns(raw: pl.DataFrame) -> dict[str, str]:
    """Return the columns of year, month, day and clock by these names; none unless the first three are dates."""
    names = {name.strip().lower(): name for name in reversed(raw.columns)}
    parts = {
        part: names[part] for part, bounds in _DATE.items() if part in names and _within(raw[names[part]], bounds)
    }
    return {} if len(parts) < len(_DATE) else parts | clock_columns(raw)


def clock_columns(raw: pl.DataFrame) -> dict[str, str]:
    """Return the columns of hour, minute and second by these names, up to the first that is not there."""
    names = {name.strip().lower(): name for name in reversed(raw.columns)}
    parts: dict[str, str] = {}
    for part, bounds in _CLOCK.items():
        if part not in names or not _within(raw[names[part]], bounds):
            break
        parts[part] = names[part]
    return parts


def joined_date(raw: pl.DataFrame, parts: Mapping[str, str]) -> pl.Series:
    """Return ISO dates made of those columns."""
    return _joined(raw, [parts[part] for part in _DATE], "-")


def joined_clock(raw: pl.DataFrame, parts: Mapping[str, str]) -> pl.Series:
    """Return times of day such as 08:30:00 made of those columns; what they lack is 00."""
    clock = raw.with_columns(pl.lit("00").alias(_NONE))
    return _joined(clock, [parts.get(part, _NONE) for part in _CLOCK], ":")


def _joined(raw: pl.DataFrame, names: Sequence[str], separator: str) -> pl.Series:
    cells = [_whole(raw[name]).cast(pl.String).str.zfill(2).alias(str(n)) for n, name in enumerate(names)]
    return pl.DataFrame(cells).select(pl.concat_str(pl.all(), separator=separator).alias(TIME)).to_series()


def count_against_rows(raw: pl.DataFrame, users: pl.Series) -> str | None:
    """Return a column that counts each user's events, or days, in another order than the rows, if there is one."""
    for name in raw.columns:
        period = _PERIODS.match(name.strip())
        numbers = _whole(raw[name]) if period or _COUNTS.search(name) else None
        if numbers is None or numbers.null_count():
            continue
        table = pl.DataFrame([users.alias("user"), numbers.alias("number")]).drop_nulls()
        step = table.select(step=pl.col("number").diff().over("user")).to_series().drop_nulls()
        if period is not None:
            counts = bool((numbers > _CYCLES[period[1].lower()]).any())
        else:
            counts = bool((step <= 0).all()) or not table.is_duplicated().any()
        if counts and bool((step < 0).any()):
            return name
    return None


def months_against_rows(raw: pl.DataFrame, users: pl.Series) -> pl.Series | None:
    """Return the months since year 0 by columns of year and month, where rows are in another order.

    A month is no moment: events of one keep the order of their rows.
    """
    names = {name.strip().lower(): name for name in reversed(raw.columns)}
    if not all(part in names and _within(raw[names[part]], _DATE[part]) for part in ("year", "month")):
        return None
    months = _whole(raw[names["year"]]) * 12 + _whole(raw[names["month"]])
    table = pl.DataFrame([users.alias("user"), months.alias("month")]).drop_nulls()
    steps = table.select(step=pl.col("month").diff().over("user")).to_series()
    return months if bool((steps < 0).any()) else None


def _whole(column: pl.Series) -> pl.Series:
    """Return whole numbers, null for what is none."""
    plain = column.str.strip_chars() if column.dtype == pl.String else column
    if not (plain.dtype == pl.String or plain.dtype.is_numeric()):
        return pl.repeat(None, len(column), dtype=pl.Int64, eager=True)
    numbers = plain.cast(pl.Float64, strict=False)
    return pl.select(pl.when(numbers % 1 == 0).then(numbers)).to_series().cast(pl.Int64, strict=False)


def _within(column: pl.Series, bounds: tuple[int, int]) -> bool:
    numbers = _whole(column)
    return numbers.null_count() == column.null_count() < len(column) and bool(numbers.is_between(*bounds).all())
