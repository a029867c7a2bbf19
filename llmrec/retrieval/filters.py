"""Which items may be recommended to anyone now: conditions, lists, caps for each group, and boosts."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Float32s, Int32s, Int64s
from llmrec.data import Catalog
from llmrec.data.cleaning.conditions import Condition, require_condition, rows_that_meet
from llmrec.data.ids import id_column, ids_of, whole_number
from llmrec.data.readers.known_names import ITEMS as ITEM_NAMES
from llmrec.data.readers.known_names import find_column
from llmrec.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Filter:
    """What a request says about the items, the same for every recommender.

    ``where``: conditions on catalog columns that all hold, as text ("price < 50 and category = shoes") or polars
    expressions. ``allow``, ``deny``: item ids. ``at_most``: how many items of one value of a column a list may
    hold, such as ``{"brand": 3}``; items without a value count alone. ``boosts``: what items that meet a condition
    gain, in the unit of the model's scores: a network's are logits, of which 0.69 doubles the odds. An unknown
    (null) value meets no condition.

    >>> from llmrec import models
    >>> from llmrec.data import Histories, toy_films
    >>> model = models.PopularityRecommender().fit(toy_films())
    >>> few = Filter("title like '%Golden%'", deny=["1"])
    >>> model.recommend(Histories.of({"ann": ["2"]}), 3, filter=few)["item_id"].to_list()
    ['11']
    """

    where: Condition | Sequence[Condition] = ()
    allow: Iterable[str | int] | None = None
    deny: Iterable[str | int] = ()
    at_most: Mapping[str, int] = field(default_factory=dict)
    boosts: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("allow", "deny"):
            ids = getattr(self, name)
            if ids is not None:  # an iterator is read once
                object.__setattr__(self, name, ids_of(list(ids) if isinstance(ids, Set) else ids, label=name))
        for name, example in (("at_most", "{'brand': 3}"), ("boosts", "{'in_stock': 0.7}")):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise DataError(f"{name} is a dictionary such as {example}, not a {type(value).__name__}")

    def resolve(self, catalog: Catalog) -> ItemRules:
        """Return what it says of each item of a catalog; removed items are not allowed.

        Raises DataError for a column that is not there, a condition that is none, and where nothing is left.
        """
        mask = np.ones(len(catalog), dtype=bool) if catalog.removed is None else ~catalog.removed
        for condition in _listed(self.where):
            mask &= _met(condition, catalog, "filter", "recommend the items where")
            _require_left(mask, f"{condition}")
        if self.allow is not None:
            mask &= _listed_items(self.allow, catalog, "allow")
            _require_left(mask, "the allowed items")
        mask &= ~_listed_items(self.deny, catalog, "deny")
        _require_left(mask, "all but the denied items")
        return ItemRules(None if mask.all() else mask, self._added(catalog), tuple(self._caps(catalog)))

    def _added(self, catalog: Catalog) -> Float32s | None:
        if not self.boosts:
            return None
        added = np.zeros(len(catalog), dtype=np.float32)
        for condition, gain in self.boosts.items():
            if isinstance(gain, bool) or not isinstance(gain, int | float) or not math.isfinite(gain):
                raise DataError(f"boost {condition}: {gain!r} is no finite number; write for example 0.5")
            added[_met(condition, catalog, "boost", "boost the items where")] += np.float32(gain)
        return added

    def _caps(self, catalog: Catalog) -> Iterator[Cap]:
        for column, most in self.at_most.items():
            most = whole_number(most, label=f"at most of one {column}")
            table = with_names([column], catalog.table)
            if column not in table.columns:
                raise DataError(
                    f"at most {most} per {column}: items have no column {column}; they have "
                    f"{', '.join(catalog.table.columns)}"
                )
            values = table[column]
            groups = values.rank("dense").fill_null(0) if not values.dtype.is_nested() else _nested_groups(values)
            yield Cap(groups.to_numpy().astype(np.int64) - 1, most)


NO_FILTER = Filter()


@dataclass(frozen=True, eq=False)
class Cap:
    """At most ``most`` items of each group; ``groups`` [n_items], -1 for an item of none."""

    groups: Int64s
    most: int


@dataclass(frozen=True, eq=False)
class ItemRules:
    """A filter on one catalog: ``allowed`` [n_items], what is ``added`` to scores [n_items], and caps.

    None stands for all items, and for nothing added.
    """

    allowed: Bools | None = None
    added: Float32s | None = None
    caps: tuple[Cap, ...] = ()

    @property
    def change_scores(self) -> bool:
        """Whether an item is left out or boosted."""
        return self.allowed is not None or self.added is not None

    def applied(self, scores: Float32s) -> Float32s:
        """Return scores [n, n_items] with what is added; -inf for items that are not allowed."""
        if self.added is not None:
            scores = scores + self.added
        if self.allowed is not None:
            scores = np.where(self.allowed, scores, np.float32(-np.inf))
        return scores

    def boosted(self, codes: Int64s, values: Float32s) -> Float32s:
        """Return the scores of candidates, codes [n, m], with what is added."""
        return values if self.added is None else values + self.added[codes]

    def among(self, codes: Int32s) -> Int32s:
        """Return those of item codes [n] that are allowed; -1 stays."""
        return codes if self.allowed is None else codes[(codes < 0) | self.allowed[codes]]


EVERY_ITEM = ItemRules()


def _met(condition: Condition, catalog: Catalog, label: str, purpose: str) -> Bools:
    require_condition(condition, label)
    try:
        table = _with_words(condition, catalog.table, label)
        met: Bools = rows_that_meet(condition, table, label=label, purpose=purpose, row="an item").to_numpy()
    except DataError as error:
        named = re.findall(r"\w+", str(condition))
        lists = [name for name in named if isinstance(catalog.table.schema.get(name), pl.List)]
        if not lists:
            raise
        raise DataError(f"{error}; {lists[0]} holds lists: write array_contains({lists[0]}, 'value')") from error
    return met


def _with_words(condition: Condition, table: pl.DataFrame, label: str) -> pl.DataFrame:
    """Add a column for each bare word that a condition compares with a text column: category = shoes.

    Raises DataError for a column that is not there.
    """
    try:
        expression = pl.sql_expr(condition) if isinstance(condition, str) else condition
    except pl.exceptions.PolarsError:
        return table  # said by whoever uses it
    table = with_names(expression.meta.root_names(), table)
    words = {word for word in _compared_words(expression, table) if word not in table.columns}
    for name in expression.meta.root_names():
        if name not in words and name not in table.columns:
            raise DataError(
                f"{label} {condition}: items have no column {name}; they have {', '.join(table.columns)}; "
                "write text in quotes"
            )
    return table.with_columns(pl.lit(word).alias(word) for word in sorted(words))


def with_names(names: Sequence[str], table: pl.DataFrame) -> pl.DataFrame:
    """Add columns by the names that they had before reading gave them ours: category beside genres."""
    for name in names:
        ours = next((one for one in ITEM_NAMES if find_column(one, ITEM_NAMES[one], [name])), None)
        if name not in table.columns and ours in table.columns:
            table = table.with_columns(table[ours].alias(name))
    return table


def _compared_words(expression: pl.Expr, table: pl.DataFrame) -> Iterator[str]:
    inputs = expression.meta.pop()
    for part in inputs:
        yield from _compared_words(part, table)
    if len(inputs) == 2 and all(part.meta.is_column() for part in inputs):
        word, column = (part.meta.output_name() for part in inputs)
        if table.schema.get(column) in {pl.String, pl.Categorical}:
            yield word


def _listed(where: Condition | Sequence[Condition]) -> list[Any]:
    return list(where) if isinstance(where, list | tuple) else [where]


def _listed_items(ids: Iterable[str | int], catalog: Catalog, label: str) -> Bools:
    """Mark the listed items; those that the catalog lacks are counted and logged."""
    column = id_column(ids, "item_id", label=label)
    codes = catalog.codes(column)
    if (codes < 0).any():
        unknown = column.filter(pl.Series(codes < 0))
        log.warning(
            "%s: %d of %d items are not in the catalog, e.g. %r", label, len(unknown), len(column), unknown[0]
        )
    mask = np.zeros(len(catalog), dtype=bool)
    mask[codes[codes >= 0]] = True
    return mask


def _require_left(mask: Bools, rule: str) -> None:
    if not mask.any():
        raise DataError(f"the filter leaves none of {len(mask)} items: no item is left by {rule}; leave that out")


def _nested_groups(values: pl.Series) -> pl.Series:
    """Number the different lists of a column, from 1; 0 for none."""
    text = values.map_elements(lambda value: repr(list(value)), return_dtype=pl.String)
    return text.rank("dense").fill_null(0)
