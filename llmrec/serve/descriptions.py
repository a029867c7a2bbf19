"""Items and events of a run as rows of an answer."""

from __future__ import annotations

from typing import Any

import polars as pl

from llmrec.arrays import Int32s
from llmrec.data import Catalog
from llmrec.data.columns import ITEM, NUMBERS, POSITIVE, TIME, TITLE
from llmrec.serve.queries import HistoryEvent

LONGEST_TEXT, MOST_PARTS = 500, 20


def described(catalog: Catalog, codes: Int32s) -> list[dict[str, Any]]:
    """Return ``item_id, title`` and the other ``columns`` of items, without nulls; long texts are cut."""
    rows = catalog.table[codes].to_dicts()
    return [
        {
            ITEM: row.pop(ITEM),
            TITLE: row.pop(TITLE) or "",
            "columns": {name: _cut(value) for name, value in row.items() if value is not None},
        }
        for row in rows
    ]


def sendable(events: pl.DataFrame, catalog: Catalog) -> list[dict[str, Any]]:
    """Return events of known items with their titles, and the fields that a query may send, without nulls."""
    names = [name for name in events.columns if name in HistoryEvent.model_fields]
    numbers = [pl.col(name).cast(pl.Float64, strict=False) for name in (TIME, *NUMBERS) if name in names]
    table = events.select(names).with_columns(numbers)
    if POSITIVE in events.columns:
        table = table.with_columns(events[POSITIVE].alias("positive"))
    titles = catalog.titles
    codes = catalog.codes(events[ITEM]).tolist()
    return [
        {name: value for name, value in row.items() if value is not None} | {TITLE: titles[code] or ""}
        for row, code in zip(table.to_dicts(), codes, strict=True)
        if code >= 0
    ]


def _cut(value: object) -> object:
    if isinstance(value, list):
        return [_cut(part) for part in value[:MOST_PARTS]]
    if isinstance(value, str | bool | int | float):
        return value[:LONGEST_TEXT] if isinstance(value, str) else value
    return str(value)[:LONGEST_TEXT]
