"""What the columns of a catalog offer a filter: values to choose from, with the condition for each, and ranges."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from llmrec.data import Catalog
from llmrec.data.columns import ITEM, TITLE
from llmrec.serve.conditions import check_condition
from llmrec.serve.queries import LONGEST_CONDITION

MOST_FACETS, MOST_VALUES, LONGEST_VALUE = 8, 60, 60
LONGEST_ON_AVERAGE = 200  # characters: longer ones are descriptions
# A column whose values are shared by so few items on average tells items apart: it does not group them.
FEWEST_PER_VALUE = 2
_SEPARATORS = (" | ", "|", ", ", ",", "; ", ";")
_VALUE = "value"
_UNQUOTABLE = re.compile(r"[\\%_\x00-\x1f]")  # what a condition cannot hold, or reads as a pattern


def facets_of(catalog: Catalog) -> list[dict[str, Any]]:
    """Return a facet for each column that groups items: ``column``, ``kind``, and what can be chosen.

    ``kind`` "number" has ``low`` and ``high``, and ``at_least`` and ``at_most``: conditions but for the number, in
    which it stands as {}; "category" has ``values``, each with its ``count`` and ``condition``, the most frequent
    first. Columns of texts, of ids and of lists have none.
    """
    table = catalog.table if catalog.removed is None else catalog.table.filter(~catalog.removed)
    columns = [name for name in table.columns if name not in (ITEM, TITLE)]
    facets = [facet for name in columns if (facet := _facet(table[name])) is not None]
    return facets[:MOST_FACETS]


def _facet(column: pl.Series) -> dict[str, Any] | None:
    values = column.drop_nulls()
    if column.dtype.is_numeric():
        return _range(values, "")
    if column.dtype == pl.Boolean:
        return _choices(column.name, values.cast(pl.String), None, quote="")
    if not isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        return None
    values = values.cast(pl.String)
    values = values.filter(values.str.strip_chars() != "")
    if int(values.str.len_chars().sum()) > LONGEST_ON_AVERAGE * len(values):
        return None
    if len(values) and (values.str.contains(r"^\d{4}$")).all():  # years, which compare as text as numbers do
        return _range(values, "'")
    separator = next((one for one in _SEPARATORS if values.str.contains(one, literal=True).any()), None)
    return _choices(column.name, values, separator, quote="'")


def _range(values: pl.Series, quote: str) -> dict[str, Any] | None:
    numbers = values.cast(pl.Float64).filter(values.cast(pl.Float64).is_finite())
    low, high = numbers.min(), numbers.max()
    name = _name(values.name)
    if name is None or low is None or low == high:
        return None
    bounds = {"at_least": f"{name} >= {quote}{{}}{quote}", "at_most": f"{name} <= {quote}{{}}{quote}"}
    return {"column": values.name, "kind": "number", "low": low, "high": high, **bounds, "values": []}


def _choices(column: str, values: pl.Series, separator: str | None, quote: str) -> dict[str, Any] | None:
    values = values.alias(_VALUE)
    parts = values if separator is None else values.str.split(separator).explode().str.strip_chars()
    # Some items name a value twice, or end with a separator.
    counts = parts.filter(parts != "").value_counts(sort=True)
    distinct, name = counts[_VALUE].to_list(), _name(column)
    if name is None or len(distinct) < 2 or len(distinct) * FEWEST_PER_VALUE > len(parts):
        return None
    choices = []
    for value, count in counts.head(MOST_VALUES).iter_rows():
        if _UNQUOTABLE.search(value) or len(value) > LONGEST_VALUE:
            continue
        text = value if not quote else "'" + value.replace("'", "''") + "'"
        condition = f"{name} = {text}"
        if separator is not None:
            condition = _among(name, value, separator, distinct)
        if len(condition) <= LONGEST_CONDITION:
            choices.append({"value": value, "count": count, "condition": check_condition(condition)})
    return {"column": column, "kind": "category", "values": choices} if len(choices) > 1 else None


def _among(name: str, value: str, separator: str, distinct: list[str]) -> str:
    """Return the condition that a value is one of those that a text lists."""
    text, mark = value.replace("'", "''"), separator.rstrip()  # the last one may end with it
    if not any(value in other for other in distinct if other != value):
        return f"{name} like '%{text}%'"
    start, end = f"{text}{mark}%", f"%{separator}{text}"
    ends = (f"= '{text}'", f"like '{start}'", f"like '{end}'", f"like '%{separator}{start}'")
    return " or ".join(f"{name} {end}" for end in ends)


def _name(column: str) -> str | None:
    """Return a column's name as a condition writes it, quoted: it may be a word of SQL. None where it cannot."""
    return None if set(column) & set('"\\{}') or len(column) > LONGEST_VALUE else f'"{column}"'
