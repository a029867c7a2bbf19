"""Settle the type of every column of a log once: whole numbers, decimals, true or false, text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import polars as pl

from llmrec.data.cleaning.missing_words import without_missing_cells, without_words
from llmrec.data.cleaning.number_cells import read_numbers, step_name
from llmrec.data.cleaning.star_ratings import plain_ratings
from llmrec.data.columns import BEHAVIOR, ITEM, NUMBERS, SESSION, TIME, USER
from llmrec.errors import DataError

# Ids and codes are names, whatever they are written with: 007 is not 7.
_IDS = re.compile(r"(?i:(^|[\s_.-])(id|ids|uuid|guid|asin|sku|isbn|ean|code|zip|no)$|^[uip]id$)|[a-z]I[dD]$")
_LEADING_ZERO = r"^[+-]?0\d"
# Beyond it a float no longer holds every whole number.
_EXACT = 2.0**53
_SAMPLE_ROWS = 1000
_WHOLE = r"^(\s*\d+)\.0+\s*$"
_UNTYPED = (USER, ITEM, TIME, BEHAVIOR, SESSION)


def settle_types(
    columns: Sequence[pl.Series], *, label: str, text: Collection[str] = (), blank_bad_numbers: bool = False
) -> tuple[list[pl.Series], dict[str, str]]:
    """Settle the type of each column; ratings, prices and quantities are numbers.

    The second result says, by the name of a step, which cells of those are no numbers, and which behaviors and
    sessions are words for nothing: all these are blank. For ``text`` see ``settle_type``.
    """
    typed: list[pl.Series] = []
    notes: dict[str, str] = {}
    taken = {column.name for column in columns}
    for column in columns:
        if column.name in (BEHAVIOR, SESSION) and column.dtype == pl.String:
            plain, notes[f"{column.name}: words for nothing"] = without_words(column)
            typed.append(plain)
            continue
        if column.name not in NUMBERS:
            typed.append(settle_type(column, text=text))
            continue
        cells = read_numbers(column, label=label)
        if column.name == "rating" and cells.note:
            column, notes["rating: words around its number"] = plain_ratings(column)
            cells = read_numbers(column, label=label)
        if cells.column.name != column.name and cells.column.name in taken:
            raise DataError(
                f"{label}: {column.name} is text, and there is {cells.column.name} already; rename one"
            )
        typed.append(cells.column)
        notes[step_name(column.name, accepted=blank_bad_numbers)] = cells.note
    return typed, notes


def settle_type(column: pl.Series, *, text: Collection[str] = ()) -> pl.Series:
    """Return a column as Int64, Float64 or Boolean where all its cells are; other text stays as it is.

    Missing cells may be blank or say so (NA, null, nan). Ids, codes, behaviors and the columns named in ``text``
    stay text.
    """
    if column.name == "year":
        column = _whole_years(column)
    if column.dtype.is_float():
        return column.fill_nan(None)
    stays = column.name in text or holds_ids(column.name)
    if column.dtype != pl.String or stays or _typed(column.drop_nulls().head(_SAMPLE_ROWS)) is None:
        return column
    typed = _typed(column)
    return column if typed is None else typed


def _whole_years(column: pl.Series) -> pl.Series:
    """Return years that a data frame has made floats of, as it does where some are missing, without ``.0``."""
    if column.dtype.is_float():
        present = column.fill_nan(None)
        return present.cast(pl.Int64) if bool((present.drop_nulls() % 1 == 0).all()) else present
    if column.dtype != pl.String or not bool(column.str.contains(_WHOLE).any()):
        return column
    return column.str.replace(_WHOLE, "$1")


def holds_ids(name: str) -> bool:
    """Whether a column is named for ids, codes or behaviors: names, whatever they are written with."""
    return name in _UNTYPED or _IDS.search(name) is not None


def types_of(frame: pl.DataFrame) -> str:
    """Name the type of each column but ids and time, for a step's note."""
    named = [(column.name, type_name(column.dtype)) for column in frame.get_columns()]
    return ", ".join(f"{name} {kind}" for name, kind in named if name not in (USER, ITEM, TIME))


def type_name(kind: pl.DataType) -> str:
    """Name a type as the log's owner would: whole number, decimal, true/false, time or text."""
    if kind.is_integer():
        return "whole number"
    if kind.is_float():
        return "decimal"
    if kind == pl.Boolean:
        return "true/false"
    return "time" if kind.is_temporal() else "text"


def _typed(column: pl.Series) -> pl.Series | None:
    """Return numbers or booleans, None where the text is neither."""
    read = _as_numbers(column)
    if read is None:  # few columns have blanks and words for nothing, which take long to look for
        column = without_missing_cells(column)
        read = _as_numbers(column)
    if column.null_count() == len(column):
        return None
    if read is not None:
        exact = bool((read.abs() < _EXACT).all()) or read.dtype.is_integer()  # false for infinity, too
        return None if not exact or column.str.contains(_LEADING_ZERO).any() else read
    lower = column.str.to_lowercase()
    return lower == "true" if lower.drop_nulls().is_in(["true", "false"]).all() else None


def _as_numbers(column: pl.Series) -> pl.Series | None:
    """Return whole numbers, or decimals, where all cells are; None where one is neither."""
    for kind in (pl.Int64, pl.Float64):
        head = column.head(_SAMPLE_ROWS)
        if head.cast(kind, strict=False).null_count() > head.null_count():
            continue
        cells = column.cast(kind, strict=False)
        if cells.null_count() == column.null_count():
            return cells.fill_nan(None) if kind == pl.Float64 else cells
    return None
