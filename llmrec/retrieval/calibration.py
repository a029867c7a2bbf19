"""Lists as mixed as the history: the values of a catalog column have the same shares in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s, Integers
from llmrec.data import Catalog
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.histories import offsets_of, ranges
from llmrec.errors import DataError
from llmrec.retrieval.filters import with_names

# How much of the history's shares is mixed into the list's, so that a missing value costs no infinity.
SMOOTHING = 0.01
_EXAMPLE = "llmrec.Calibration('genres', 0.3)"


@dataclass(frozen=True)
class Calibration:
    """How a list follows a history in a catalog column: ``recommend(..., diversity=Calibration("genres", 0.3))``.

    The next item of a list maximizes ``(1 - weight) * relevance - weight * divergence``: its score, scaled to 0..1
    within the best items, and the Kullback-Leibler divergence, in nats, of the list with it from the history
    (Steck 2018). ``column``: lists, or texts separated by "," ";" or "|"; an item counts once, in equal parts for
    each of its values. Where nothing of a history has a value the list is as it is. Raises DataError for a weight
    that is not above 0 and at most 1.

    >>> import polars as pl
    >>> from llmrec import Dataset, models
    >>> from llmrec.data import toy_films
    >>> films, kinds = toy_films(n_items=8), pl.Series("kind", ["war"] * 4 + ["love"] * 4)
    >>> data = Dataset.from_tables(films.events, items=films.catalog.table.with_columns(kinds))
    >>> model = models.PopularityRecommender().fit(data)
    >>> model.recommend([["1", "2"]], 2, diversity=Calibration("kind", 0.9))["item_id"].to_list()
    ['3', '0']
    """

    column: str
    weight: float = 0.3

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise DataError(f"the column to calibrate by is text, not {self.column!r}; write {_EXAMPLE}")
        weight = self.weight
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
            raise DataError(f"a calibration's weight is above 0 and at most 1, got {weight!r}; write {_EXAMPLE}")

    def resolve(self, catalog: Catalog) -> ItemShares:
        """Return the values of each item of a catalog. Raises DataError for a column that is none to group by."""
        known = _RESOLVED.setdefault(catalog, {})
        if self.column not in known:
            known[self.column] = self._shares(catalog)
        return known[self.column]

    def _shares(self, catalog: Catalog) -> ItemShares:
        table = with_names([self.column], catalog.table)
        columns = ", ".join(name for name in catalog.table.columns if name not in (ITEM, TITLE))
        if self.column not in table.columns or self.column in (ITEM, TITLE):
            fault = "tells items apart" if self.column in (ITEM, TITLE) else "is no column of the items"
            raise DataError(
                f"calibration by {self.column}, which {fault}; columns to group by are {columns or 'none'}"
            )
        values = item_values(table[self.column])
        if not len(values.items):
            raise DataError(f"calibration by {self.column}: no item has a value there; columns are {columns}")
        return ItemShares(values.values, offsets_of(np.bincount(values.items, minlength=len(catalog))))


# 0 to 1: the weight of unlikeness to the items above; or by which column a list is as mixed as the history.
Diversity = float | Calibration
_RESOLVED: WeakKeyDictionary[Catalog, dict[str, ItemShares]] = WeakKeyDictionary()


class ItemValues(NamedTuple):
    """Which item, by its row, has which value, by its number: int64 [n_pairs] each, in order of the items."""

    items: Int64s
    values: Int64s


def item_values(cells: pl.Series) -> ItemValues:
    """Read the values of each item: lists, or texts separated by "," ";" or "|"; each value once an item."""
    if not isinstance(cells.dtype, pl.List):
        cells = cells.cast(pl.String).str.replace_all(r"[|;]", ",").str.split(",")
    pairs = pl.DataFrame({"item": np.arange(len(cells)), "value": cells}).explode("value")
    pairs = pairs.with_columns(pl.col("value").cast(pl.String).str.strip_chars())
    pairs = pairs.filter(pl.col("value").str.len_chars() > 0).unique(maintain_order=True)
    numbers = pairs["value"].rank("dense").to_numpy().astype(np.int64) - 1
    return ItemValues(pairs["item"].to_numpy().astype(np.int64), numbers)


@dataclass(frozen=True, eq=False)
class ItemShares:
    """The values of items: those of item n are ``values[offsets[n]:offsets[n + 1]]``, each an equal part of it."""

    values: Int64s
    offsets: Int64s

    def of(self, codes: Integers) -> tuple[Int64s, Int64s, Float64s]:
        """Return for items [n] which, by its position, has which value, and how large a part of it that is."""
        lengths = self.offsets[1:][codes] - self.offsets[codes]
        positions = np.repeat(np.arange(len(codes)), lengths)
        return positions, self.values[ranges(self.offsets[codes], lengths)], 1 / lengths[positions]
