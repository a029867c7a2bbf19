"""Turn any frame into polars: pandas, pyarrow, a LazyFrame, a Hugging Face dataset or a dict of columns."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from llmrec.data.columns import TIME
from llmrec.data.readers.known_names import EVENTS, find_column
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_STREAMED_ROWS = 1 << 16
# The field of an object that names it.
NAME_FIELDS = ("name", "title", "label")
# Objects of more different fields than this are no records: each would be a column.
MOST_FIELDS = 32


def is_table(value: object) -> bool:
    """Whether something is a table of a frame library, also one that is read when it is needed."""
    return any(hasattr(type(value), name) for name in ("columns", "column_names"))


def to_polars(table: object, *, label: str) -> pl.DataFrame:
    """Return ``table`` as a polars DataFrame. ``label`` is what an error calls it.

    Raises DataError for anything that is not a table.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, str):
        raise DataError(f"{label}: expected a table, got the string '{table}'; read files with from_files")
    try:
        converted = _converted(table)
    except (TypeError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{label}: cannot read a table from {type(table).__name__}: {error}") from error
    if not isinstance(converted, pl.DataFrame):
        raise DataError(f"{label}: expected a table, got one column; pass a frame with named columns")
    return converted


def _converted(table: object) -> object:
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if type(table).__module__.split(".")[0] == "datasets":
        return _from_datasets(table)
    if isinstance(table, Mapping):
        return pl.DataFrame(dict(table))
    return pl.DataFrame(_with_index(table))


def _with_index(table: Any) -> Any:
    """Return a pandas frame with an index that has a name as columns: one that groups or joins left there."""
    index = getattr(table, "index", None)
    return table.reset_index() if any(name is not None for name in getattr(index, "names", ())) else table


def _from_datasets(table: Any) -> pl.DataFrame:
    """Read a Hugging Face data set: in memory with its selections applied, or as it streams in."""
    if isinstance(table, Mapping):
        raise ValueError(f"it has the splits {', '.join(table)}: pass one of them, e.g. [{next(iter(table))!r}]")
    batches = table.with_format("arrow").iter(batch_size=_STREAMED_ROWS)
    frames = [pl.DataFrame(pl.from_arrow(batch)) for batch in batches]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def with_dotted_fields(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with the fields of structs as columns such as ``user.id``, but of those named as times."""
    columns: list[pl.Series] = []
    for column in table.get_columns():
        kind = column.dtype
        timed = find_column(TIME, EVENTS[TIME], [column.name]) is not None
        if not isinstance(kind, pl.Struct) or timed or not 0 < len(kind.fields) <= MOST_FIELDS:
            columns.append(column)
            continue
        names = sorted(field.name for field in kind.fields)
        fields = [column.struct.field(name).alias(f"{column.name}.{name}") for name in names]
        columns += with_dotted_fields(pl.DataFrame(fields)).get_columns()
    names = [column.name for column in columns]
    return pl.DataFrame(columns) if len(set(names)) == len(names) else table


def flat(table: pl.DataFrame, *, label: str, ids: Collection[str] = ()) -> pl.DataFrame:
    """Return ``table`` with plain columns only: text, numbers, booleans and times.

    Lists of plain values, or of lists of such, become text joined by ", "; other nested or binary columns are left
    out, which is logged. Columns among ``ids`` may be Enum.
    """
    columns = []
    for column in table.get_columns():
        coded = column.name in ids and isinstance(column.dtype, pl.Enum)
        plain = column if coded else _flat(column)
        if plain is None:
            log.warning("%s: column '%s' (%s) is left out: not text or number", label, column.name, column.dtype)
        else:
            columns.append(plain)
    return pl.DataFrame(columns)


def flat_lists(column: pl.Series) -> pl.Series:
    """Return lists of lists as lists of their different values, in their order."""
    return column.list.eval(pl.element().explode().drop_nulls().unique(maintain_order=True))


def _flat(column: pl.Series) -> pl.Series | None:
    kind = column.dtype
    if kind == pl.Null or isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.List):
        return _flat(flat_lists(column))
    if isinstance(kind, pl.List) and not kind.inner.is_nested():
        return column.cast(pl.List(pl.String)).list.join(", ", ignore_nulls=True)
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        named = next((field for field in NAME_FIELDS if field in {one.name for one in kind.inner.fields}), None)
        return None if named is None else _flat(column.list.eval(pl.element().struct.field(named)))
    plain = kind == pl.String or kind == pl.Boolean or kind.is_numeric() or kind.is_temporal()
    return column if plain else None
