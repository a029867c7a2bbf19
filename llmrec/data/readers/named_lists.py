"""Lists that are written in cells, such as "['Drama', 'War']" or [{"id": 18, "name": "Drama"}], as names."""

from __future__ import annotations

import polars as pl

from llmrec.data.readers.frames import NAME_FIELDS
from llmrec.data.readers.list_cells import BRACKETED, list_values


def joined_lists(column: pl.Series) -> pl.Series | None:
    """Return a column of lists in brackets as their names joined by ", ", None where a cell is something else."""
    text = column.str.strip_chars()
    present = text.filter((text != "").fill_null(False))
    if present.is_empty() or not (present.str.starts_with("[") & present.str.contains(BRACKETED)).all():
        return None
    names = [_names(cell) for cell in present]
    if None in names:
        return None
    joined = pl.Series([", ".join(one) for one in names if one is not None], dtype=pl.String)
    at = (text != "").fill_null(False)
    return joined.gather(pl.select(pl.when(at).then(at.cum_sum() - 1)).to_series()).alias(column.name)


def _names(cell: str) -> list[str] | None:
    values = list_values(cell)
    if values is None:
        return None
    names = [_name(value) for value in values if value is not None]
    return None if None in names else [name for name in names if name]


def _name(value: object) -> str | None:
    if isinstance(value, list):
        inner = [_name(one) for one in value if one is not None]
        return None if None in inner else ", ".join(dict.fromkeys(str(one) for one in inner))
    if isinstance(value, dict):
        return next((str(value[field]) for field in NAME_FIELDS if value.get(field) is not None), None)
    return str(value)
