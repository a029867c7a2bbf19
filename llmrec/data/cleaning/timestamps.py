"""Read single columns of times: Unix seconds to nanoseconds, dates, ISO 8601 text."""

from __future__ import annotations

import polars as pl

from llmrec.errors import DataError

MICROS = 1_000_000

# From this size on a number is in that unit: 1e11 seconds is the year 5138, 1e11 milliseconds is 1973.
LEAST_MILLISECONDS = 1e11
_UNITS = (("milliseconds", LEAST_MILLISECONDS), ("microseconds", 1e14), ("nanoseconds", 1e17))
_TOO_LARGE = 9e18
_ISO = (
    r"^(?<date>\d{4}-\d{2}-\d{2})(?:[T ](?<hour>\d{2}:\d{2})(?<second>:\d{2})?(?:[.,](?<part>\d{1,9}))?)?"
    r" ?(?:Z|UTC|(?<sign>[+-])(?<zone_hour>\d{2}):?(?<zone_minute>\d{2})?)?$"
)


def to_micros(column: pl.Series, *, label: str) -> pl.Series:
    """Return Unix microseconds (Int64); null where a value is missing or cannot be read.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by their size. Raises DataError for other types
    and for mixed units.
    """
    kind = column.dtype
    if isinstance(kind, pl.Datetime | pl.Date):
        return column.dt.epoch("us")
    if kind.is_numeric():
        return _numbers(column, label=label)
    raise DataError(f"{label}: column '{column.name}' holds {kind}; use Unix seconds or ISO 8601 text")


def unix_seconds(micros: pl.Series) -> pl.Series:
    """Turn microseconds into seconds: Int64, or Float64 where one has a fraction, exact to the microsecond."""
    if not (micros % MICROS != 0).any():
        return micros // MICROS
    # Divided by numpy: polars multiplies by a millionth, which is no exact number.
    return pl.Series(micros.name, micros.cast(pl.Float64).to_numpy() / MICROS).fill_nan(None)


def _numbers(column: pl.Series, *, label: str) -> pl.Series:
    size = column.cast(pl.Float64).abs()
    finite = size.is_finite() & (size < _TOO_LARGE)
    largest = float(size.filter(finite).to_numpy().max(initial=0.0))
    unit = sum(largest >= least for _, least in _UNITS)
    if unit:
        name, least = _UNITS[unit - 1]
        small = size.filter(finite & (size > 0) & (size < least))
        if small.len():
            raise DataError(
                f"{label}: column '{column.name}' mixes units: {largest:.0f} is in {name}, {small[0]:.0f} is "
                "not; write all times in one unit"
            )
    usable = pl.select(pl.when(finite).then(column)).to_series()
    if usable.dtype.is_float():
        return (usable * float(MICROS // 1000**unit or 1e-3)).round().cast(pl.Int64, strict=False)
    whole = usable.cast(pl.Int64)
    factor = MICROS // pow(1000, unit)
    return whole * factor if factor else whole // 1000


def read_iso(column: pl.Series) -> pl.Series:
    """Read ISO 8601 text as Unix microseconds, UTC without a zone; null where it is something else."""
    parts = column.str.extract_groups(_ISO).struct.unnest()
    clock = [pl.col("hour").fill_null("00:00"), pl.col("second").fill_null(":00")]
    written = pl.concat_str(pl.col("date"), pl.lit(" "), *clock, pl.lit("."), pl.col("part").fill_null("0"))
    unix = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).dt.epoch("us")
    hours, minutes = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("zone_hour", "zone_minute"))
    offset = (hours * 60 + minutes) * 60 * MICROS
    return parts.select(pl.when(pl.col("sign") == "-").then(unix + offset).otherwise(unix - offset)).to_series()
