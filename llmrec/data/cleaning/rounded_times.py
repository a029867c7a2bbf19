"""Notice times that lost digits: written as 1.61E+12 by a spreadsheet, or held as Float32."""

from __future__ import annotations

import polars as pl

from llmrec.data.cleaning.number_times import DAY
from llmrec.data.cleaning.timestamps import MICROS, to_micros
from llmrec.data.id_codes import ROUNDED
from llmrec.errors import DataError

# Numbers of that many digits before and after 1e9 seconds are exact to the second, in every unit.
_DIGITS_OF_A_SECOND = 10
# Numbers such as 1.6149024E+18: what writes as few digits as will do leaves the zeros of whole days out.
_DIGITS_OF_A_DAY = 8
_LEAST_EXPONENT = 8
_NUMBER = r"^\d+(?:[.,]\d+)?(?:[eE][+]?\d+)?$"
# Beyond it a Float32 no longer holds every whole number.
_EXACT = 2.0**24
# From 1982 on, days of Excel take so much of a Float32 that it holds their fractions to some minutes only.
_EXCEL_1982 = 30_000
# So many different times that Float32 holds exactly are no chance: one in 128 seconds is such a time.
_LEAST_TIMES, _HOUR = 8, 3600
_SAMPLE_ROWS = 1000


class RoundedTimes(DataError):
    """Times whose order within a day or longer is lost."""


def refuse_rounded_text(column: pl.Series, *, label: str) -> None:
    """Raise RoundedTimes where text without blanks around it has numbers of too few digits for a second."""
    cells = column.filter(column.str.contains(ROUNDED))
    if not len(cells):
        return
    numbers = column.drop_nulls().str.contains(_NUMBER)
    parts = cells.str.extract_groups(r"^(?<digits>\d(?:[.,]\d+)?)[eE]\+(?<exponent>\d+)$").struct.unnest()
    exponents = parts["exponent"].cast(pl.Int64, strict=False)
    digits = max(parts["digits"].str.replace_all("[.,]", "").str.len_chars().unique())
    large = bool((exponents >= _LEAST_EXPONENT).all())
    if not large or float(numbers.mean() or 0) <= 1 / 2 or digits >= _DIGITS_OF_A_SECOND:  # type: ignore[arg-type]
        return
    if digits >= _DIGITS_OF_A_DAY:
        micros = to_micros(cells.str.replace(",", ".").cast(pl.Float64), label=label)
        if (micros % (DAY * MICROS) == 0).all():
            return
    raise RoundedTimes(
        f"{label}: column '{column.name}' has times such as {cells[0]!r}, rounded by a spreadsheet to {digits} "
        "digits: export them as whole numbers, or pass --order-by-rows (order_by_rows=True) where the rows are in "
        "order"
    )


def refuse_float32(column: pl.Series, *, label: str) -> None:
    """Raise RoundedTimes where Float32 does not hold a column's numbers exactly."""
    if column.dtype != pl.Float32:
        return
    finite = column.filter(column.is_finite())
    rounded = finite.filter((finite.abs() >= _EXACT) | ((finite % 1 != 0) & (finite >= _EXCEL_1982)))
    if len(rounded):
        raise RoundedTimes(
            f"{label}: column '{column.name}' is Float32, and a float of this size has lost digits: "
            f"{rounded[0]!r} stands for all times near it; read the column as whole numbers or Float64"
        )


def rounded_like_float32(micros: pl.Series) -> bool:
    """Whether all times are such as Float32 holds, in one unit: they were cast from it. Whole hours may be so."""
    known = micros.drop_nulls()
    sample = known.head(_SAMPLE_ROWS)
    if not _held(sample) or sample.n_unique() < _LEAST_TIMES:
        return False
    return _held(known) and bool((known % (_HOUR * MICROS) != 0).any())


def _held(micros: pl.Series) -> bool:
    """Whether Float32 holds all times, none of them small, in one unit: seconds to nanoseconds."""
    for factor in (1 / MICROS, 1e-3, 1.0, 1e3):
        numbers = micros.cast(pl.Float64) * factor
        if (numbers.abs() >= _EXACT).all() and (numbers.cast(pl.Float32).cast(pl.Float64) == numbers).all():
            return True
    return False
