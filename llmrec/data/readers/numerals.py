"""Read numbers as people write them: decimal commas, thousands, currency signs."""

from __future__ import annotations

import logging

import polars as pl

from llmrec.errors import DataError

log = logging.getLogger(__name__)

_SAMPLE_ROWS = 1000
# Codes are listed: PG-13 is no price.
_CODES = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|ISK|JPY|KRW|MXN|MYR|NGN|NOK|"
    "NZD|PEN|PHP|PKR|PLN|RMB|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_CURRENCY = rf"(?:[A-Z]{{0,3}}\p{{Sc}}|(?i:{_CODES})|Rs\.?|kr\.?|zł|Kč|Fr\.?)"
# Numbers with thousands, or with three decimals.
_POINTED = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
# Between thousands: the mark that is not the decimal one, blanks (also narrow ones) or apostrophes.
_BLANKS = "[ \u00a0\u202f'’]"


def plain_numbers(column: pl.Series, *, decimal: str = "", most: bool = False, label: str) -> pl.Series:
    """Return a text column of such numbers as plain ones, another column as it is.

    ``decimal``: the mark between units and their fractions, "." or ","; "" where the cells show which it is. A
    column is left as it is where all are plain already or one cell is no number; with ``most``, where half are.
    """
    if column.dtype != pl.String:
        return column
    if not decimal and _plain(column.drop_nulls().head(_SAMPLE_ROWS)):
        if most:
            _warn_of_points(column, label)
        return column
    mark = decimal or _decimal(column)
    if mark is None:
        return column
    stripped = column.str.strip_chars()
    present = stripped.filter((stripped != "").fill_null(False))
    # Where all are plain, a decimal comma makes thousands of their points, if all points may stand there.
    if not len(present) or (_plain(present) and not (most and mark == "," and len(_pointed(present)))):
        return column
    share = present.str.contains(_pattern(mark)).mean()
    if not isinstance(share, float) or share < (0.5 if most else 1):
        return column
    thousands = r"[^\d.+-]" if mark == "." else r"[^\d,+-]"
    fits = stripped.str.contains(_pattern(mark)).fill_null(False)
    plain = stripped.str.replace_all("−", "-").str.replace_all(thousands, "").str.replace(",", ".")
    plain = pl.select(pl.when(fits).then(plain).otherwise(stripped)).to_series().alias(column.name)
    changed = (plain != stripped).fill_null(False)
    if not changed.any():
        return column
    row = int(changed.arg_true()[0])
    log.info(
        "%s: column %s: %d numbers rewritten, %r is %s",
        label,
        column.name,
        int(changed.sum()),
        column[row],
        plain[row],
    )
    return plain


def _warn_of_points(column: pl.Series, label: str) -> None:
    """Say that 15.000 is read as 15, where three digits follow every point, as between thousands."""
    pointed = _pointed(column.str.strip_chars()).unique(maintain_order=True)
    if len(pointed) > 1:
        log.warning(
            "%s: column %s: %s is read as %g; if it is %s, say --decimal , (decimal=',')",
            *(label, column.name, pointed[0], float(pointed[0]), pointed[0].replace(".", "")),
        )


def _pointed(cells: pl.Series) -> pl.Series:
    """Return the numbers with a point, none where one of these has other than three digits behind it."""
    pointed = cells.filter(cells.str.contains(".", literal=True).fill_null(False))
    return pointed if pointed.str.contains(_POINTED).all() else pointed.clear()


def check_decimal(decimal: str) -> str:
    """Return the decimal mark. Raises DataError for another than a point or a comma."""
    if decimal not in ("", ".", ","):
        raise DataError(f"--decimal {decimal}: write . or ,")
    return decimal


def written_as_numbers(column: pl.Series) -> pl.Series:
    """Mark the cells that are numbers by one decimal mark or the other."""
    stripped = column.str.strip_chars()
    return (stripped.str.contains(_pattern(".")) | stripped.str.contains(_pattern(","))).fill_null(False)


def _plain(column: pl.Series) -> bool:
    return column.cast(pl.Float64, strict=False).null_count() == column.null_count()


def _pattern(mark: str) -> str:
    other = "," if mark == "." else "."
    groups = rf"(?:\d{{1,3}}(?:[{other}]\d{{3}})+|\d{{1,3}}(?:{_BLANKS}\d{{3}})+|\d+)"
    start = rf"(?:[+−-]?\s*{_CURRENCY}?|{_CURRENCY}\s*[+−-])"
    return rf"^{start}\s*{groups}(?:[{mark}]\d+)?\s*{_CURRENCY}?$"


def _decimal(column: pl.Series) -> str | None:
    """Return the decimal mark that the cells show: its digits are not three, or it is the last of two.

    None where they contradict each other, or where three digits follow the only mark: 1,234 may be both.
    """
    digits = column.filter(written_as_numbers(column)).str.replace_all(r"[^\d.,]", "")
    marked = digits.filter(digits.str.contains(r"[.,]"))
    both = marked.str.contains(r"\..*,|,.*\.")
    shown = [
        *marked.str.extract(r"([.,])(?:\d{1,2}|\d{4,})$").drop_nulls(),
        *marked.filter(both).str.extract(r"([.,])\d+$").drop_nulls(),
    ]
    repeated = marked.filter(~both).str.extract(r"([.,])\d+[.,]").drop_nulls()
    marks = {*shown, *("." if mark == "," else "," for mark in repeated)}
    if len(marks) == 1:
        return str(marks.pop())
    return "." if marked.is_empty() else None
