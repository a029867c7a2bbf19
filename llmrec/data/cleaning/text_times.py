"""Read times that are written otherwise than in ISO 8601: 26/03/2021 10:15, 11/13/2019 8:36 PM, ctime."""

from __future__ import annotations

import re

import polars as pl

from llmrec.data.cleaning.number_times import Times, number_times, written
from llmrec.data.cleaning.rounded_times import refuse_rounded_text
from llmrec.data.cleaning.timestamps import MICROS, read_iso
from llmrec.errors import DataError

CLOCK = (
    r"(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<part>\d{1,9}))?)?"
    r" ?(?<half>[AaPp])?(?:\.?[Mm]\.?)?"
)
_ZONE = r" ?(?:Z|UTC|GMT|(?<sign>[+-])(?<zone_hour>\d{2}):?(?<zone_minute>\d{2})?)?"
_WEEKDAY = r"(?:[A-Za-z]{3,9},? )?"
_MONTH = r"(?<month>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[A-Za-z]{0,6})"
_DAY = r"(?<day>\d{1,2})(?:st|nd|rd|th)?"
_NUMERIC = rf"^(?<a>\d{{1,4}})[/. -](?<b>\d{{1,2}}),?[/. -](?<c>\d{{4}}|\d{{1,2}})\.?(?:[T ,]+{CLOCK})?{_ZONE}$"
_FORMS = (
    _NUMERIC,
    rf"^{_WEEKDAY}{_MONTH} +{_DAY} {CLOCK}{_ZONE} (?<year>\d{{4}})$",
    rf"^{_WEEKDAY}{_MONTH}\.? {_DAY},? (?<year>\d{{4}})(?:(?: at|,)? {CLOCK})?{_ZONE}$",
    rf"^{_WEEKDAY}{_DAY}[ /.-]{_MONTH}\.?,?[ /.-](?<year>\d{{4}})(?:(?:[T :,]| at )+{CLOCK})?{_ZONE}$",
    r"^(?<year>\d{4})(?<month>\d{2})(?<day>\d{2})[T ]+(?<hour>\d{2}):?(?<minute>\d{2}):?(?<second>\d{2})?"
    rf"{_ZONE}$",
    r"^(?<year>\d{4})[-/](?<month>\d{2})$",
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PARTS = ("day", "hour", "minute", "second", "part", "half", "sign", "zone_hour", "zone_minute")
# Which of the three numbers is the year, the month and the day.
_ORDERS = {"year/month/day": "abc", "day/month/year": "cba", "month/day/year": "cab"}
_CODES = {"year/month/day": ("%Y", "%m", "%d"), "day/month/year": ("%d", "%m", "%Y")}
_CODES["month/day/year"] = ("%m", "%d", "%Y")
_SAMPLE_ROWS = 1000


class UnclearDates(DataError):
    """Dates whose day and month cannot be told from each other."""


def text_times(column: pl.Series, *, label: str) -> Times:
    """Read text as numbers, as ISO 8601 or in another common form, whichever most of it is.

    Without a zone it is taken as UTC. Raises UnclearDates where no row tells the day from the month,
    RoundedTimes where digits are lost.
    """
    numbers = column.cast(pl.Int64, strict=False)
    if numbers.null_count() == column.null_count():
        return number_times(numbers, label=label)
    stripped = column.str.strip_chars()
    refuse_rounded_text(stripped, label=label)
    numbers = stripped.cast(pl.Int64, strict=False)
    if numbers.null_count() > stripped.null_count():
        numbers = stripped.cast(pl.Float64, strict=False)
    if numbers.null_count() == stripped.null_count():
        return number_times(numbers, label=label)
    iso = read_iso(stripped)
    if iso.null_count() == stripped.null_count():
        return Times(iso)
    other = _other_forms(stripped, label=label)
    best = min((iso, numbers, *([] if other is None else [other.micros])), key=lambda read: read.null_count())
    if best is iso:
        return Times(iso)
    return number_times(numbers, label=label) if best is numbers or other is None else other


def _other_forms(column: pl.Series, *, label: str) -> Times | None:
    sample = column.drop_nulls().head(_SAMPLE_ROWS)
    counts = {form: int(sample.str.contains(form).sum()) for form in _FORMS}
    form = max(_FORMS, key=counts.__getitem__)
    if not counts[form]:
        return None
    parts = column.str.extract_groups(form).struct.unnest()
    order = ""
    if form == _NUMERIC:
        order = _order(column, parts, label=label)
        if not order:
            return None
        parts = parts.rename(dict(zip(_ORDERS[order], ("year", "month", "day"), strict=True)))
    parts = parts.with_columns(pl.lit(None, pl.String).alias(name) for name in _PARTS if name not in parts.columns)
    micros = _unix(parts)
    if micros.null_count() == len(micros):
        return None
    row = int(micros.is_not_null().arg_max() or 0)
    shown = f"read as {order or 'written'}: {column[row]} is {written(micros[row])}"
    return Times(micros.alias(column.name), shown)


def _order(column: pl.Series, parts: pl.DataFrame, *, label: str) -> str:
    """Return which of the three numbers is what, by all rows; "" where no order fits."""
    numbers = parts.select(pl.col("a", "b", "c").cast(pl.Int64)).drop_nulls()
    widths = [set(parts[name].drop_nulls().str.len_chars().unique()) for name in "ac"]
    four = [width == {4} for width in widths]
    if four[0]:
        possible = ["year/month/day"]
    elif four[1]:
        possible = ["day/month/year", "month/day/year"]
    elif all(width <= {1, 2} for width in widths):
        possible = list(_ORDERS)
    else:
        return ""
    fitting = []
    for order in possible:
        _, month, day = (numbers[name] for name in _ORDERS[order])
        if month.is_between(1, 12).all() and day.is_between(1, 31).all():
            fitting.append(order)
    if len(fitting) > 1:
        example = str(column[int(parts["a"].is_not_null().arg_max() or 0)])
        codes = " or ".join(f'"{_format(example, order)}"' for order in fitting)
        raise UnclearDates(
            f"{label}: column '{column.name}' has dates such as {example!r}, which may be {' or '.join(fitting)}; "
            f"say which: --time-format {codes}"
        )
    return fitting[0] if fitting else ""


def _format(example: str, order: str) -> str:
    """Return the format of an example, its numbers in that order."""
    codes = iter(_CODES[order])
    short = not re.search(r"\d{4}", example)
    form = re.sub(r"^\d+\D+\d+\D+\d+", lambda date: re.sub(r"\d+", lambda _: next(codes), date[0]), example)
    form = form.replace("%Y", "%y") if short else form
    half = re.search(r"[AP]M", form, re.IGNORECASE) is not None
    form = re.sub(r" ?[AP]M", lambda text: text[0][:-2] + "%p", form, flags=re.IGNORECASE)
    hour = "%I" if half else "%H"
    form = re.sub(r"\d+:\d+:\d+[.]\d+", f"{hour}:%M:%S%.f", form)
    return re.sub(r"\d+:\d+", f"{hour}:%M", re.sub(r"\d+:\d+:\d+", f"{hour}:%M:%S", form))


def _unix(parts: pl.DataFrame) -> pl.Series:
    """Put the parts of dates and clocks together as microseconds; null where there is no such time."""
    month, day, hour, minute, second = (
        pl.col(name).cast(pl.Int64, strict=False) for name in ("month", "day", "hour", "minute", "second")
    )
    names = pl.col("month").str.to_lowercase().str.slice(0, 3).replace_strict(_MONTHS, range(1, 13), default=None)
    year = pl.col("year").cast(pl.Int64, strict=False)
    year = pl.when(year < 70).then(year + 2000).when(year < 100).then(year + 1900).otherwise(year)
    half = pl.col("half").str.to_lowercase()
    noon = pl.when(hour.is_between(1, 12)).then(hour % 12)
    hour = pl.when(half == "p").then(noon + 12).when(half == "a").then(noon).otherwise(hour)
    known = pl.col("hour").is_null() | hour.is_not_null()
    clock = [value.fill_null(0).cast(pl.String) for value in (hour, minute, second)]
    date = [value.cast(pl.String) for value in (year, pl.coalesce(month, names), day.fill_null(1))]
    text = pl.concat_str([pl.concat_str(date, separator="-"), pl.concat_str(clock, separator=":")], separator=" ")
    text = pl.concat_str([text, pl.lit("."), pl.col("part").fill_null("0")])
    unix = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).dt.epoch("us")
    zone = [pl.col(name).cast(pl.Int64).fill_null(0) for name in ("zone_hour", "zone_minute")]
    offset = (zone[0] * 60 + zone[1]) * 60 * MICROS
    moved = pl.when(pl.col("sign") == "-").then(unix + offset).otherwise(unix - offset)
    return parts.select(pl.when(known).then(moved).alias("micros")).to_series()
