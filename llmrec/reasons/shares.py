"""How common each attribute is in a catalog: what two items have in common tells more, the rarer it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.data import Catalog
from llmrec.data.columns import ITEM, TITLE
from llmrec.reasons.evidence import Item
from llmrec.reasons.facts import attributes, decade_of
from llmrec.reasons.numbered import series_number
from llmrec.reasons.title_runs import spaced

# An id of a knowledge graph: no space, at least five signs, a digit, at most three letters in front.
_CODE = re.compile(r"(?=\S{5,}$)(?=\S*\d)(?:/?[A-Za-z]{1,3}[./:_-]?)?/?[0-9a-z_]*\d[0-9a-z_]*")
_MOSTLY = 0.95
# A column with so few values for so many items is a yes or no.
_YES_OR_NO, _WHOLE_CATALOG = 2, 100
# What is made of digits and says something all the same.
_NAMED = frozenset(("genres", "year", "decade"))
_KNOWN: WeakKeyDictionary[Catalog, Shares] = WeakKeyDictionary()


class Shares:
    """Which items of a catalog have which attribute, column by column, read when a column is first asked for."""

    def __init__(self, catalog: Catalog) -> None:
        # Only the table: the cache of all shares holds no catalog alive.
        self.table, self.n_items = catalog.table, len(catalog)
        self._columns: dict[str, dict[str, Int64s]] = {}
        self._phrases: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._named: dict[str, bool] = {}

    @classmethod
    def of(cls, catalog: Catalog) -> Shares:
        """Return those of a catalog, read once as long as it lives."""
        if catalog not in _KNOWN:
            _KNOWN[catalog] = cls(catalog)
        return _KNOWN[catalog]

    def is_named(self, name: str) -> bool:
        """Whether a column's values are what people say, not ids of a graph: "m.0bln8", "Q25191", "nm0000233"."""
        if name not in self._named:
            values = self._holders(name)
            codes = sum(_CODE.fullmatch(value) is not None for value in values)
            self._named[name] = name in _NAMED or codes < _MOSTLY * len(values) or not values
        return self._named[name]

    def is_informative(self, name: str) -> bool:
        """Whether a column tells items apart: two values for most of a catalog, as "own brand" or not, do not."""
        holders = self._holders(name).values()
        few = self.n_items >= _WHOLE_CATALOG and len(holders) <= _YES_OR_NO
        return not few or 2 * sum(map(len, holders)) < self.n_items

    def count(self, name: str, values: Sequence[str]) -> int:
        """Count the items that have all the values in a column; "decade" and "genres" are columns, too."""
        holders = [self._holders(name).get(value) for value in values]
        return self._n_in_all(holders)

    def count_of_both(self, one: tuple[str, str], other: tuple[str, str]) -> int:
        """Count the items that have two values, each ``(column, value)``."""
        return self._n_in_all([self._holders(name).get(value) for name, value in (one, other)])

    def bits(self, count: int) -> float:
        """Return how much it tells that an item is one of ``count``: -log2 of their share; 0 for none."""
        return math.log2(self.n_items / count) if count else 0.0

    def n_titles_with(self, words: str) -> int:
        """Count the titles that hold some lower-case words one after the other."""
        if words not in self._phrases:
            self._phrases[words] = int(self._titles.str.contains(f" {words} ", literal=True).sum())
        return self._phrases[words]

    def n_numbered(self, title: str) -> int:
        """Count the numbers that the catalog's titles bear in the series of a title."""
        series, _ = series_number(title)
        if series not in self._numbers:
            # Only titles with its longest word are read: of a large catalog that takes long.
            word = max(series.split(), key=len, default="")
            titles = self.table[TITLE].drop_nulls()
            titles = titles.filter(titles.str.to_lowercase().str.contains(word, literal=True))
            numbers = {number for name, number in map(series_number, titles) if name == series}
            self._numbers[series] = len(numbers)
        return self._numbers[series]

    @property
    def has_attributes(self) -> bool:
        """Whether the catalog has more than titles, prices and numbers."""
        return any(_is_text(dtype) for name, dtype in self.table.schema.items() if name not in (ITEM, TITLE))

    @cached_property
    def _titles(self) -> pl.Series:
        return pl.Series([spaced(title or "") for title in self.table[TITLE]])

    def _n_in_all(self, holders: Sequence[Int64s | None]) -> int:
        common: Int64s | None = None
        for codes in holders:
            if codes is None:
                return 0
            common = codes if common is None else np.intersect1d(common, codes, assume_unique=True)
        return 0 if common is None else len(common)

    def _holders(self, name: str) -> dict[str, Int64s]:
        """Return which items have each value of a column, codes in ascending order."""
        if name not in self._columns:
            rows = pl.DataFrame(
                list(self._pairs(name)), schema={"value": pl.String, "code": pl.Int64}, orient="row"
            )
            grouped = rows.unique().group_by("value").agg(pl.col("code").sort())
            self._columns[name] = {value: np.asarray(codes) for value, codes in grouped.iter_rows()}
        return self._columns[name]

    def _pairs(self, name: str) -> Iterator[tuple[str, int]]:
        source = "year" if name == "decade" else name
        if source not in self.table.columns and name != "decade":
            return
        columns = [column for column in dict.fromkeys((TITLE, source)) if column in self.table.columns]
        parts: dict[object, list[str]] = {}
        for code, row in enumerate(self.table.select(columns).iter_rows()):
            key = str(row)
            if name != "decade":
                key = str(row[-1])
            if key not in parts:
                item = Item("", str(row[0] or ""), {source: row[-1]} if source in columns else {})
                pairs = [("decade", decade_of(item))] if name == "decade" else attributes(item)
                parts[key] = [value for column, value in pairs if column == name and value]
            for value in parts[key]:
                yield value, code


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.List | pl.Categorical | pl.Enum)
