"""The items: their ids, their text, and the integer code each one has inside models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int32s, Int64s, Integers
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.ids import BLANKS, id_column, id_of
from llmrec.data.readers.frames import to_polars
from llmrec.errors import DataError
from llmrec.printable import CONTROL, DIRECTION

# A catalog so many times as long is looked up item by item: a join takes as long as the catalog.
_FEW = 16
# So few are looked up one by one in any catalog whose dictionary is there.
_FEW_AT_ONCE = 10_000
_UNSHOWN = f"{DIRECTION.pattern}|{CONTROL.pattern}"
# What is computed once of the ids alone.
_OF_IDS = ("ids", "tie_order", "_code_of", "_codes")


@dataclass(frozen=True, eq=False)
class Catalog:
    """A table of items: ``item_id`` (unique strings), ``title``, and any other column. Row n is code n.

    Items that are ``removed`` [n_items] stay readable in histories but are not recommended; None: no item is.

    >>> catalog = Catalog(pl.DataFrame({"item_id": ["a", "b"], "title": ["Alien", "Brazil"]}))
    >>> catalog.code("b"), catalog.titles
    (1, ['Alien', 'Brazil'])
    """

    table: pl.DataFrame
    removed: Bools | None = None

    def __post_init__(self) -> None:
        column = id_column(self.table[ITEM], ITEM, label="items")
        object.__setattr__(self, "table", self.table.with_columns(column))
        if self.table[ITEM].n_unique() != self.table.height:
            item = self.table.filter(pl.col(ITEM).is_duplicated())[ITEM][0]
            raise DataError(f"items: item_id '{item}' has several rows; keep one row per item")

    def __len__(self) -> int:
        return self.table.height

    @cached_property
    def ids(self) -> list[str]:
        """Item ids in code order."""
        return self.table[ITEM].to_list()

    @cached_property
    def titles(self) -> list[str]:
        """Item titles in code order."""
        return self.table[TITLE].to_list()

    def codes(self, ids: pl.Series | Iterable[str | int]) -> Int32s:
        """Return the code of each id, int32; -1 for ids that are not in the catalog."""
        if isinstance(ids, pl.Series) and ids.dtype == pl.String and self._looks_up(len(ids)):
            code_of, items = self._code_of, ids.to_list()
            looked_up = [code_of.get(item, -1) for item in items]
            if -1 in looked_up:
                looked_up = [code_of.get(item and item.strip(BLANKS), -1) for item in items]
            return np.array(looked_up, dtype=np.int32)
        queries = id_column(ids, ITEM, label="item ids")
        if self._looks_up(len(queries)):
            return np.array([self._code_of.get(item, -1) for item in queries], dtype=np.int32)
        codes = queries.to_frame().join(self._codes, on=ITEM, how="left", maintain_order="left")["code"]
        return codes.fill_null(-1).to_numpy().astype(np.int32)

    def without(self, ids: pl.Series) -> list[str]:
        """Return the ids of the items that are not among ``ids``, in code order."""
        return self.table.filter(~pl.col(ITEM).is_in(ids.unique().implode()))[ITEM].to_list()

    def code(self, item_id: str | int) -> int:
        """Return one item's code. Raises DataError for an unknown id."""
        item = id_of(item_id, label="item id")
        code = int(self.codes([item])[0])
        if code < 0:
            raise DataError(f"item '{item}' is not in the catalog of {len(self)} items")
        return code

    def rows_of(self, items: object) -> pl.DataFrame:
        """Return new items, a table of any frame library, as rows of this catalog.

        Columns that the catalog does not have are left out; those that ``items`` does not have are null. Raises
        DataError for an id that is missing, duplicated or in the catalog already, unless it is removed, and for an
        item without title.
        """
        label, new = "new items", to_polars(items, label="items")
        for column in (ITEM, TITLE):
            if column not in new.columns:
                raise DataError(f"{label}: there is no column {column}; it is needed")
        new = with_text_ids(new, label).with_columns(pl.col(TITLE).cast(pl.String))
        bare = new.filter(pl.col(ITEM).is_null() | without_text(pl.col(TITLE)))
        if bare.height:
            raise DataError(f"{label}: {bare.height} of {new.height} have no id or no title; give them one")
        codes = self.codes(new[ITEM])
        present = new.filter((codes >= 0) & ~self.are_removed(codes))[ITEM]
        if present.len():
            raise DataError(f"{label}: '{present[0]}' is in the catalog already; give it another id")
        return Catalog(new.select(self.typed(new, list(self.table.columns), label))).table

    def typed(self, table: pl.DataFrame, columns: Sequence[str], label: str) -> list[pl.Series]:
        """Return columns of a table as the catalog has them: of its types, null where the table has none.

        Raises DataError for a value that is none of the type.
        """
        try:
            return [
                _as_type(table[name], dtype).alias(name)
                if name in table.columns
                else pl.Series(name, [None], dtype=dtype).new_from_index(0, table.height)
                for name, dtype in self.table.select(columns).schema.items()
            ]
        except pl.exceptions.InvalidOperationError as error:
            raise DataError(f"{label}: {str(error).splitlines()[0]}; write values as the catalog does") from error

    def are_removed(self, codes: Integers) -> Bools:
        """Whether each item of codes [n] is removed; of -1 it says nothing."""
        return np.zeros(len(codes), dtype=bool) if self.removed is None else self.removed[codes]

    def replaced(self, table: pl.DataFrame, removed: Bools | None) -> Catalog:
        """Return a catalog of the same ids, in the same order, with other columns or other removed items."""
        other = object.__new__(Catalog)
        of_ids = {name: value for name, value in vars(self).items() if name in _OF_IDS}
        vars(other).update(of_ids, table=table, removed=removed if removed is not None and removed.any() else None)
        return other

    @cached_property
    def tie_order(self) -> Int64s:
        """Each item's rank in a fixed pseudo-random order, int64 [n_items].

        Ties in score are broken by it: catalog order would favour old, popular ids.
        """
        digests = [hashlib.blake2b(item.encode(), digest_size=8).digest() for item in self.ids]
        keys = np.frombuffer(b"".join(digests), dtype=np.uint64)
        ranks = np.empty(len(self), dtype=np.int64)
        ranks[np.argsort(keys, kind="stable")] = np.arange(len(self))
        return ranks

    def _looks_up(self, n: int) -> bool:
        """Whether n items are looked up one by one: where that is less work than a join, about."""
        return n * _FEW < len(self) or (n < _FEW_AT_ONCE and "_code_of" in vars(self))

    @cached_property
    def _code_of(self) -> dict[str, int]:
        return dict(zip(self.ids, range(len(self)), strict=True))

    @cached_property
    def _codes(self) -> pl.DataFrame:
        return pl.DataFrame({ITEM: self.table[ITEM], "code": np.arange(len(self), dtype=np.int32)})


def with_text_ids(table: pl.DataFrame, label: str) -> pl.DataFrame:
    """Return a table with its ``item_id`` as text, null where there is none. Raises DataError."""
    present = table[ITEM].is_not_null()
    ids = id_column(table[ITEM].filter(present), ITEM, label=label)
    return table.with_columns(ids.gather(pl.select(pl.when(present).then(present.cum_sum() - 1)).to_series()))


def without_text(column: pl.Expr) -> pl.Expr:
    """Whether a cell is null or blank, also by characters that no line shows (see ``prompting.one_line``)."""
    return column.str.replace_all(_UNSHOWN, "").str.strip_chars().fill_null("") == ""


def _as_type(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Cast a column of new items, whose numbers, true and false may be text, to the catalog's type.

    What is blank or NaN is null. Raises InvalidOperationError for what is none of the type.
    """
    if column.dtype == pl.String and dtype == pl.Boolean:
        lower = column.str.strip_chars().str.to_lowercase()
        others = column.filter(~lower.is_in(["true", "false", ""]))
        if len(others):
            raise pl.exceptions.InvalidOperationError(f"'{others[0]}' in {column.name} is neither true nor false")
        return pl.select(pl.when(lower.is_in(["true", "false"])).then(lower == "true")).to_series()
    if column.dtype.is_float() and dtype.is_integer():
        column = column.fill_nan(None)
        others = column.filter(column != column.round())
        if len(others):  # a cast would cut them
            raise pl.exceptions.InvalidOperationError(f"{others[0]:g} in {column.name} is no whole number")
    typed = column.cast(dtype)
    return typed.fill_nan(None) if dtype.is_float() else typed  # to a condition NaN is above all numbers
