"""Read cells that hold lists: JSON or Python in brackets, or codes with marks or blanks between them."""

from __future__ import annotations

import ast
import csv
import json
import re

import polars as pl

from llmrec.errors import DataError

_SEPARATORS = ("|", ";", ",")
_SHOWN = 60
_LONGEST = 1 << 20
# Fewer ids with a mark may just be so called.
_LEAST_SHARE = 0.1
BRACKETED = r"(?s)^(?:\[.*\]|\(.*\)|\{.*\})$"
_QUOTED_LIST = r"^\[\s*(?:'[^']*'|\"[^\"]*\"|\d+\s*,\s*\d+)(?:\s*,.*)?\]$"
# Ids as codes: some digits, few letters. Titles with blanks are no lists of them.
_CODE = r"[A-Za-z]{0,4}[-_]?\d+(?:-[01])?"
_CODES = rf"^{_CODE}(?:(?:\s+|\s*[|;,]\s*){_CODE})+$"
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|[\w.+-]*\d[\w.+-]*""")
_NUMPY = re.compile(rf"\[\s*(?:{_TOKEN.pattern})(?:\s+(?:{_TOKEN.pattern}))+\s*\]")
_JOINED = re.compile(r"""'\s+'|"\s+\"""")


def list_cells(column: pl.Series, label: str) -> pl.Series:
    """Return a column of lists: as they are, or from text with brackets or with marks or blanks between items."""
    if isinstance(column.dtype, pl.List):
        plain = column.dtype.inner
        if isinstance(plain, pl.List):
            return column if plain.inner.is_nested() else column.cast(pl.List(pl.List(pl.String)))
        return column if isinstance(plain, pl.Struct) else column.cast(pl.List(pl.String))
    text = column.cast(pl.String).str.strip_chars()
    present = text.filter((text != "").fill_null(False))
    if present.str.contains(BRACKETED).any():
        values = [
            None if not cell else _parsed(cell, row, column.name, label) for row, cell in enumerate(text.to_list())
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


def look_like_lists(text: pl.Series) -> bool:
    """Whether different ids are rather lists of ids: in brackets, of codes, or of what stands alone elsewhere."""
    several = text.str.contains(_CODES)
    if not text.str.contains(",.*,").any():  # 7,5 may be a number
        several &= ~text.str.contains(",", literal=True)
    single = text.str.contains(r"^\S+$")
    if text.str.contains(BRACKETED).all() or text.str.contains(_QUOTED_LIST).any():
        return True
    if (several.mean() or 0) >= 0.5 and (several | single).all():  # type: ignore[operator]
        return True
    return any(_stand_alone(text, mark) for mark in _SEPARATORS)


def _stand_alone(text: pl.Series, mark: str) -> bool:
    """Whether most ids with that mark are made of words of which one is another id."""
    marked = text.filter(text.str.contains(mark, literal=True))
    if len(marked) < _LEAST_SHARE * len(text) or marked.is_empty():
        return False
    parts = pl.DataFrame({"id": marked, "part": marked.str.split(mark)}).explode("part")
    parts = parts.with_columns(pl.col("part").str.strip_chars()).filter(pl.col("part") != "")
    if parts["part"].str.contains(r"\s").any():
        return False
    alone = parts.filter(pl.col("part").is_in(text.implode()))["id"].n_unique()
    return alone * 2 >= len(marked)


def _parsed(cell: str, row: int, name: str, label: str) -> list[object]:
    if not re.fullmatch(BRACKETED, cell):
        return [cell]
    values = list_values(cell)
    if values and all(isinstance(value, list) and _plain(value) for value in values):
        return [_texts(value) for value in values if isinstance(value, list)]
    if values and all(isinstance(value, dict) for value in values):
        return [_flat_object(value) for value in values if isinstance(value, dict)]
    if values is None or not _plain(values):
        raise DataError(f"{label}: {name} in data row {row + 1} is no list: {cell[:_SHOWN]!r}; correct it")
    return _texts(values)


def _plain(values: list[object]) -> bool:
    return all(isinstance(value, str | int | float | None) for value in values)


def _texts(values: list[object]) -> list[object]:
    return [None if value is None else str(value) for value in values]


def list_values(cell: str) -> list[object] | None:
    """Read a list of JSON, numpy, Python (tuples and sets, too) or Postgres; None for what is none."""
    try:
        values = json.loads(cell)
        return values if isinstance(values, list) else None
    except (ValueError, RecursionError):
        pass
    if len(cell) >= _LONGEST:
        return None
    if _NUMPY.fullmatch(cell):
        return [token.strip("'\"") for token in _TOKEN.findall(cell[1:-1])]
    if _JOINED.search(cell) or "..." in cell:  # Python would make one text of 'a' 'b'; numpy leaves out the middle
        return None
    try:
        tree = ast.parse(cell, mode="eval").body
        if isinstance(tree, ast.List | ast.Tuple | ast.Set):
            return [ast.literal_eval(part) for part in tree.elts]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    plain = cell.startswith("{") and not set(cell[1:-1]) & set("{}:")
    return list(next(csv.reader([cell[1:-1]], skipinitialspace=True), [])) if plain else None


def _flat_object(fields: dict[str, object]) -> dict[str, str]:
    """Return the plain fields of an object, as text."""
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int | float)}
