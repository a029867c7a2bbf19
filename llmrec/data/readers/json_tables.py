"""One JSON object that is a whole table, as pandas writes it: by columns, by rows, or split from its names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmrec.data.readers.frames import MOST_FIELDS

_NUMBER = re.compile(r"-?\d+")


def rows_of_table(values: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object that is a table of ``DataFrame.to_json()``, None of one that is something else.

    By columns: {"user_id": {"0": "a", "1": "b"}, ...}, the default; ``orient="index"``: {"0": {"user_id": "a"},
    ...}; ``orient="split"``: {"columns": [...], "index": [...], "data": [[...], ...]}; ``orient="table"``:
    {"schema": {...}, "data": [{"user_id": "a"}, ...]}.

    >>> rows_of_table({"user_id": {"0": "ann", "1": "bob"}, "item_id": {"0": "x", "1": "y"}})
    [{'user_id': 'ann', 'item_id': 'x'}, {'user_id': 'bob', 'item_id': 'y'}]
    """
    if set(values) == {"columns", "index", "data"}:
        names, rows = values["columns"], values["data"]
        listed = isinstance(names, list) and isinstance(rows, list)
        fits = listed and all(isinstance(row, list) and len(row) == len(names) for row in rows)
        return [dict(zip(map(str, names), row, strict=True)) for row in rows] if fits else None
    if set(values) == {"schema", "data"}:
        rows = values["data"]
        return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None
    if not _is_table(values):
        return None
    if _are_numbers(values):
        return [*values.values()]
    first = next(iter(values.values()))
    return [{name: column[key] for name, column in values.items()} for key in first]


def _is_table(values: Mapping[str, Any]) -> bool:
    """Whether all values are objects with the same names, which are numbers of rows, or more than fields would be.

    So are the names of all values where rows are numbered: {"0": {"user_id": "a"}, ...}.
    """
    columns = [*values.values()]
    if not columns or not all(isinstance(column, dict) and column for column in columns):
        return False
    names = columns[0].keys()
    if any(column.keys() != names for column in columns):
        return False
    return _are_numbers(names) != _are_numbers(values) or len(names) > MOST_FIELDS


def _are_numbers(names: Any) -> bool:
    return all(_NUMBER.fullmatch(name) for name in names)
