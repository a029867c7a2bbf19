"""Take out of a raw table what files add: rows that repeat the header, what protects text from spreadsheets."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import polars as pl

from llmrec.data.cleaning.table import Table
from llmrec.data.protected_text import unprotected

TableType = TypeVar("TableType", bound=Table)

REPEATS_HEADER = "row repeats the header"
_PROTECTED = "text protected from spreadsheets"
_SHOWN = 40


def without_headers(table: TableType) -> TableType:
    """Leave out rows that repeat the names of the columns, as where files were put one after the other."""
    marks = pl.repeat(True, table.frame.height, eager=True)
    for column in table.frame.get_columns():
        kind = column.dtype
        if not isinstance(kind, pl.String | pl.Enum):
            return table
        if isinstance(kind, pl.Enum) and column.name not in kind.categories:  # of ids: each is held once
            return table
        marks &= (column.cast(pl.String) == column.name).fill_null(False)
        if not marks.any():
            return table
    return table.filter(~marks, REPEATS_HEADER)


def without_protection(table: TableType, *, ids: Collection[str]) -> TableType:
    """Take off what protects all cells of a column from spreadsheets (="00123"); ``ids``: the columns of ids."""
    changed: dict[str, pl.Series] = {}
    shown: list[str] = []
    for column in table.frame.get_columns():
        bare = column if column.dtype != pl.String else unprotected(column, apostrophes=column.name in ids)
        if bare is column:
            continue
        row = int((bare != column).fill_null(False).arg_true()[0])
        shown.append(f"{column.name}, such as {column[row][:_SHOWN]} as {bare[row][:_SHOWN]}")
        changed[column.name] = bare.replace("", None)  # ="" is a blank cell
    if not changed:
        return table
    return table.with_frame(table.frame.with_columns(**changed)).record(_PROTECTED, note="; ".join(shown))
