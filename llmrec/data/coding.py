"""Write ids as numbers while a log is being cleaned: a tenth of the memory, several times the speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.data.columns import ITEM, USER
from llmrec.errors import DataError


@dataclass(frozen=True, eq=False)
class Coded:
    """Ids as codes (UInt32, null where an id is missing) into ``names``, which are sorted and distinct."""

    codes: pl.Series
    names: pl.Series


def coded(column: pl.Series, *, where: str) -> Coded:
    """Code an id column. Blank ids are missing; floats that are all whole numbers are written as such.

    Raises DataError for an id that spans lines: rows that a stray quote swallowed end up in one.
    """
    name = column.name
    # Casting once to categories hashes every text once; all else is done on the few distinct ones.
    category = ids_as_text(column).cast(pl.Categorical)
    distinct = category.drop_nulls().unique()
    names = distinct.cast(pl.String)
    broken = names.filter(names.str.contains("\n", literal=True))
    if broken.len():
        value = broken[0][:40]
        raise DataError(f"{where}: {name} {value!r} spans lines; look for a quote that is never closed")
    physical = distinct.to_physical().to_numpy().astype(np.int64)
    table = pl.DataFrame({"name": names, "physical": physical})
    table = table.filter(pl.col("name").str.strip_chars() != "").sort("name").with_row_index("code")
    if table.is_empty():
        return Coded(pl.Series(name, [None] * len(column), dtype=pl.UInt32), table["name"].alias(name))
    places = np.full(int(physical.max()) + 1, -1, dtype=np.int64)
    places[table["physical"].to_numpy()] = table["code"].to_numpy()
    blank = pl.Series(places < 0)
    lookup = pl.select(pl.when(~blank).then(pl.Series(places))).to_series().cast(pl.UInt32)
    return Coded(lookup.gather(category.to_physical()).alias(name), table["name"].alias(name))


def ids_as_text(column: pl.Series) -> pl.Series:
    """Return ids as text; those that are no number in a column of floats are missing."""
    if column.dtype.is_float():
        finite = column.is_finite().fill_null(False)
        column = pl.select(pl.when(finite).then(column)).to_series().alias(column.name)
        if (column.drop_nulls() % 1 == 0).all():
            column = column.cast(pl.Int64, strict=False)
    return column.cast(pl.String)


def decoded(events: pl.DataFrame, users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """Write the ids of coded events as text again."""
    return events.with_columns(users.gather(events[USER]).alias(USER), items.gather(events[ITEM]).alias(ITEM))


def order_of(users: pl.Series, micros: pl.Series) -> pl.Series:
    """Return the rows in order of user code, then time, ties as they stood."""
    if not len(users):
        return pl.Series(dtype=pl.UInt32)
    earliest = int(micros.to_numpy().min())
    span = int(micros.to_numpy().max()) - earliest + 1
    # In one number where it fits: sorting by one key takes a fifth of the time that two take.
    if span * (int(users.to_numpy().max()) + 1) < 2**62:
        keys = pl.DataFrame({"key": users.cast(pl.Int64) * span + (micros - earliest)})
    else:
        keys = pl.DataFrame({"user": users, "time": micros})
    return keys.with_row_index("row").sort(keys.columns, maintain_order=True)["row"]
