"""Read cells that hold lists: JSON or Python in brackets, or codes with marks or blanks between them."""

from __future__ import annotations

import ast
import json

import polars as pl

from llmrec.errors import DataError

_SEPARATORS = ("|", ";", ",")
_SHOWN = 60


def list_cells(column: pl.Series, label: str) -> pl.Series:
    """Return a column of lists: as they are, or from text with brackets or with marks or blanks between items."""
    if isinstance(column.dtype, pl.List):
        plain = column.dtype.inner
        if isinstance(plain, pl.List):
            return column if plain.inner.is_nested() else column.cast(pl.List(pl.List(pl.String)))
        return column if isinstance(plain, pl.Struct) else column.cast(pl.List(pl.String))
    text = column.cast(pl.String).str.strip_chars()
    present = text.filter((text != "").fill_null(False))
    if present.str.starts_with("[").all() and not present.is_empty():
        values = [
            None if cell is None else _parsed(cell, row, column.name, label) for row, cell in enumerate(text)
        ]
        return pl.Series(column.name, values, strict=False)
    mark = next((mark for mark in _SEPARATORS if present.str.contains(mark, literal=True).any()), None)
    if mark is None:
        return text.str.extract_all(r"\S+")
    return (
        text.str.split(mark)
        .list.eval(pl.element().str.strip_chars())
        .list.eval(pl.element().filter(pl.element() != ""))
    )


def _parsed(cell: str, row: int, name: str, label: str) -> list[object] | None:
    if not cell:
        return None
    try:
        values = json.loads(cell)
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(cell) if len(cell) < 1 << 20 else None
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            values = None
    if isinstance(values, list) and values and all(isinstance(value, list) for value in values):
        return [[str(inner) for inner in value] for value in values]
    if not isinstance(values, list) or not all(isinstance(value, str | int | float | dict) for value in values):
        raise DataError(f"{label}: {name} in data row {row + 1} is no list: {cell[:_SHOWN]!r}; correct it")
    if any(isinstance(value, dict) for value in values):
        return [_flat_object(value) for value in values if isinstance(value, dict)]
    return [str(value) for value in values]


def _flat_object(fields: dict[str, object]) -> dict[str, str]:
    """Return the plain fields of an object, as text."""
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int | float)}
