"""Lists that a catalog writes in cells are read as their names, which is recorded."""

from __future__ import annotations

import polars as pl

from llmrec.data.cleaning.table import Table
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.readers.named_lists import joined_lists

_SHOWN = 60


def read_written_lists(items: Table) -> Table:
    """Return items with "['Drama', 'War']" as "Drama, War", in columns of such cells alone; a step says which."""
    for column in items.frame.get_columns():
        joined = joined_lists(column) if column.dtype == pl.String and column.name not in (ITEM, TITLE) else None
        if joined is None:
            continue
        row = int(column.is_not_null().arg_max() or 0)
        cell = column[row] if len(column[row]) <= _SHOWN else f"{column[row][:_SHOWN]}…"
        note = f"lists such as {cell!r} are read as {joined[row][:_SHOWN]!r}"
        items = items.record(f"lists in column {column.name}", note=note).with_frame(
            items.frame.with_columns(joined)
        )
    return items
