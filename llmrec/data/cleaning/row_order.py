"""What tells the order of a log without a column of times: year, month and day apart, or a count of events."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from llmrec.data.columns import TIME

_DATE = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31)}
_CLOCK = {"hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
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
    if len(parts) < len(_DATE):
        return {}
    for part, bounds in _CLOCK.items():
        if part not in names or not _within(raw[names[part]], bounds):
            break
        parts[part] = names[part]
    return parts


def joined_date(raw: pl.DataFrame, parts: Mapping[str, str]) -> pl.Series:
    """Return ISO dates and times made of those columns."""
    cells = {part: _whole(raw[name]).cast(pl.String).str.zfill(2) for part, name in parts.items()}
    clock = {part: cells.get(part, pl.repeat("00", raw.height, eager=True)) for part in _CLOCK}
    table = pl.DataFrame(
        [cells[part].alias(part) for part in _DATE] + [clock[part].alias(part) for part in _CLOCK]
    )
    date, time = pl.concat_str(*_DATE, separator="-"), pl.concat_str(*_CLOCK, separator=":")
    return table.select(pl.concat_str(date, time, separator=" ").alias(TIME)).to_series()


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
