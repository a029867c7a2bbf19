"""Accept any frame at the door: polars, pandas, pyarrow, a Hugging Face dataset or a dict of columns."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from llmrec.errors import DataError


def to_polars(table: object, *, name: str) -> pl.DataFrame:
    """Return ``table`` as a polars DataFrame. ``name`` is what an error calls it.

    Raises DataError for anything that is not a table.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, Mapping):
        return pl.DataFrame(dict(table))
    arrow = getattr(getattr(table, "data", None), "table", None)  # datasets.Dataset wraps an arrow table
    try:
        converted = pl.from_arrow(arrow) if arrow is not None else pl.DataFrame(table)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: cannot read a table from {type(table).__name__}: {error}") from error
    if not isinstance(converted, pl.DataFrame):
        raise DataError(f"{name}: expected a table, got one column; pass a frame with named columns")
    return converted
