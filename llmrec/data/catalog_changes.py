"""New, changed and removed items: each change makes another catalog, and says which rows it is about."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int64s
from llmrec.data.catalog import Catalog, with_text_ids, without_text
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.ids import ids_of
from llmrec.data.readers.frames import to_polars
from llmrec.errors import DataError


@dataclass(frozen=True, eq=False)
class CatalogChange:
    """From one catalog to another, whose first rows are the same items in the same order.

    ``updated``: the codes of items of ``before`` of which a column changed, int64, ascending. ``given``: what says
    the same once more, for a journal: the rows, in the catalog's types.
    """

    before: Catalog
    catalog: Catalog
    updated: Int64s
    given: pl.DataFrame

    @property
    def n_added(self) -> int:
        """How many items are new."""
        return len(self.catalog) - len(self.before)

    @property
    def new_ids(self) -> list[str]:
        """The ids of the new items."""
        return self.catalog.ids[len(self.before) :]

    def then(self, later: CatalogChange) -> CatalogChange:
        """Return both changes as one."""
        updated = later.updated[later.updated < len(self.before)]
        return CatalogChange(self.before, later.catalog, np.union1d(self.updated, updated), later.given)


def added_items(catalog: Catalog, items: object) -> CatalogChange:
    """Add new items, or removed ones again, with the columns that they are given now; see ``Catalog.rows_of``.

    Raises DataError as that does, and for an empty table.
    """
    rows = _require_rows(catalog.rows_of(items), "new items")
    codes = catalog.codes(rows[ITEM]).astype(np.int64)
    again, new = rows.filter(codes >= 0), rows.filter(codes < 0)
    change = _with_rows(catalog, again, codes[codes >= 0])
    removed, after = change.catalog.removed, change.catalog
    if new.height:
        grown = None if removed is None else np.pad(removed, (0, new.height))
        after = Catalog(pl.concat([after.table, new]), grown)
    return CatalogChange(catalog, after, change.updated, rows)


def updated_items(catalog: Catalog, items: object) -> CatalogChange:
    """Change columns of items, given by ``item_id``; other columns stay. A removed item is back in the catalog.

    Raises DataError for an empty table, an id that is missing, unknown or there twice, a column that the catalog
    lacks, a title without text, and a value of another type.
    """
    label, table = "changed items", to_polars(items, label="items")
    if ITEM not in table.columns:
        raise DataError(f"{label}: there is no column {ITEM}; it is needed")
    unknown = [name for name in table.columns if name not in catalog.table.columns]
    if unknown:
        has = ", ".join(catalog.table.columns)
        raise DataError(f"{label}: the catalog has no column {unknown[0]}; it has {has}: leave {unknown[0]} out")
    table = _require_rows(with_text_ids(table, label), label)
    missing = table[ITEM].null_count()
    if missing:
        raise DataError(f"{label}: {missing} of {table.height} have no id; give them one")
    codes = _codes_once(catalog, table[ITEM].to_list(), label)
    rows = table.select(catalog.typed(table, table.columns, label))
    if TITLE in rows.columns and rows.select(without_text(pl.col(TITLE)).any()).item():
        item = rows.filter(without_text(pl.col(TITLE)))[ITEM][0]
        raise DataError(f"{label}: the title of '{item}' is empty; give it one, or leave the column out")
    return _with_rows(catalog, rows, codes)


def removed_items(catalog: Catalog, ids: Iterable[str | int]) -> CatalogChange:
    """Remove items: they keep their rows, to be read in histories, and are recommended no more.

    Raises DataError for no id, an id that is unknown, there twice or removed already, and where none is left.
    """
    label = "items to remove"
    codes = _codes_once(catalog, ids_of(list(ids) if isinstance(ids, Set) else ids, label=label), label)
    if not len(codes):
        raise DataError(f"{label}: there is none")
    already = codes[catalog.are_removed(codes)]
    if len(already):
        raise DataError(f"{label}: '{catalog.ids[already[0]]}' is removed already; leave it out")
    removed = _mask(catalog)
    removed[codes] = True
    if removed.all():
        raise DataError(f"{label}: no item would be left of {len(catalog)}; keep one")
    after = catalog.replaced(catalog.table, removed)
    return CatalogChange(catalog, after, np.zeros(0, dtype=np.int64), catalog.table[ITEM].gather(codes).to_frame())


def _with_rows(catalog: Catalog, rows: pl.DataFrame, codes: Int64s) -> CatalogChange:
    """Put other values into the columns that ``rows`` has, at codes [n]; none of these items is removed then."""
    changed, columns = np.zeros(len(codes), dtype=bool), []
    for column in rows.drop(ITEM).get_columns():
        old = catalog.table[column.name]
        changed |= ~old.gather(codes).eq_missing(column).to_numpy()
        columns.append(_with_values(old, codes, column))
    removed = _mask(catalog)
    removed[codes] = False
    after = catalog.replaced(catalog.table.with_columns(columns), removed)
    return CatalogChange(catalog, after, np.sort(codes[changed]), rows)


def _with_values(column: pl.Series, codes: Int64s, values: pl.Series) -> pl.Series:
    """Return a column with other values at some rows, of any type."""
    rows = np.arange(len(column))
    rows[codes] = len(column) + np.arange(len(codes))
    return pl.concat([column, values.alias(column.name)]).gather(rows)


def _mask(catalog: Catalog) -> Bools:
    return np.zeros(len(catalog), dtype=bool) if catalog.removed is None else catalog.removed.copy()


def _require_rows(table: pl.DataFrame, label: str) -> pl.DataFrame:
    if table.is_empty():
        raise DataError(f"{label}: the table has no row")
    return table


def _codes_once(catalog: Catalog, ids: list[str], label: str) -> Int64s:
    """Return the code of each id. Raises DataError for an id that is unknown or there twice."""
    codes = catalog.codes(ids).astype(np.int64)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise DataError(
            f"{label}: '{ids[unknown[0]]}' is not in the catalog of {len(catalog)} items"
            + (f", nor are {len(unknown) - 1} others" if len(unknown) > 1 else "")
        )
    first = np.unique(codes, return_index=True)[1]
    if len(first) < len(codes):
        again = np.setdiff1d(np.arange(len(codes)), first)[0]
        raise DataError(f"{label}: '{ids[again]}' is there twice; give it one row")
    return codes
