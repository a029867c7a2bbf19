"""Fields of objects inside objects as columns of their own: ``user.id`` of {"user": {"id": 7}}."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from llmrec.data.columns import ITEM, TIME, USER
from llmrec.data.readers.frames import MOST_FIELDS
from llmrec.data.readers.json_rows import SHOWN, parse_lines
from llmrec.data.readers.known_names import EVENTS, find_column
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_DEEPEST = 4
_SAMPLED = 1000
# Text may begin with a brace, too: {3F2504E0-...}, {'garage': False}.
_OBJECT = r'^\{(?:\s*"|\}$)'
_WRAPPED = (
    r'^\{\s*"\$(?:oid|date|uuid|numberLong|numberInt|numberDouble|numberDecimal)"\s*:\s*'
    r'("[^"\\]*"|\d+|\{[^{}]*\})\s*\}$'
)


def dotted_columns(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return a table of text with the fields of its JSON objects as columns, which is logged.

    Objects of more than MOST_FIELDS different fields and those named as times stay as text, values that MongoDB
    wraps are unwrapped. Raises DataError where ids are objects in some rows and plain in others.
    """
    columns: list[pl.Series] = []
    for written in table.get_columns():
        fields = list(_fields(_unwrapped(written), path, depth=1))
        taken = {column.name for column in columns} | set(table.columns) - {written.name}
        columns += [written] if taken & {field.name for field in fields} else fields
    dotted = [column.name for column in columns if column.name not in table.columns]
    if dotted:
        log.info("%s: fields of objects are columns: %s", path.name, ", ".join(dotted))
    return pl.DataFrame(columns)


def _fields(column: pl.Series, path: Path, *, depth: int) -> Iterator[pl.Series]:
    """Yield the fields of a column of objects, and theirs; a column of something else as it is."""
    text = column.drop_nulls()
    is_id = _is_named(column.name, USER) or _is_named(column.name, ITEM)
    objects = text.head(_SAMPLED).str.contains(_OBJECT)
    if is_id or objects.all():
        objects = text.str.contains(_OBJECT)
    if is_id and objects.any() and not objects.all():
        raise _mixed(column, path)
    if not objects.all() or depth > _DEEPEST or _is_named(column.name, TIME):
        yield column
        return
    rows = _parsed(text, path)
    if rows is None:
        yield column
        return
    present = column.is_not_null()
    at = pl.select(pl.when(present).then(present.cum_sum() - 1)).to_series()
    for field in rows.select(sorted(rows.columns)).get_columns():  # else their order would be any
        dotted = _unwrapped(field.gather(at).alias(f"{column.name}.{field.name}"))
        yield from _fields(dotted, path, depth=depth + 1)


def _parsed(text: pl.Series, path: Path) -> pl.DataFrame | None:
    """Return the fields of objects as text, None where they have too many or none, or are text that looks so."""
    try:
        names = {name for cell in text.head(_SAMPLED) for name in json.loads(cell)}
        rows = parse_lines(path, "\n".join(text).encode()) if 0 < len(names) <= MOST_FIELDS else None
    except (ValueError, RecursionError, DataError):
        return None
    return rows if rows is not None and rows.height == len(text) and rows.width <= MOST_FIELDS else None


def _mixed(column: pl.Series, path: Path) -> DataError:
    """Return the error for ids of which some are objects: the text of each would be another id."""
    row = int(column.str.contains(_OBJECT).fill_null(False).arg_true()[0])
    return DataError(
        f"{path.name}: column '{column.name}' holds objects in some rows, such as {column[row][:SHOWN]!r} in data "
        f"row {row + 1}, and plain ids in others; write one of the two"
    )


def _is_named(name: str, ours: str) -> bool:
    return find_column(ours, EVENTS[ours], [name]) is not None


def _unwrapped(column: pl.Series) -> pl.Series:
    """Return the values of objects as MongoDB exports them: {"$oid": "5f"}, {"$date": {"$numberLong": "16"}}."""
    while (
        column.drop_nulls().head(1).str.contains(_WRAPPED).any()
        and column.drop_nulls().str.contains(_WRAPPED).all()
    ):
        column = column.str.extract(_WRAPPED, 1).str.strip_prefix('"').str.strip_suffix('"')
    return column
