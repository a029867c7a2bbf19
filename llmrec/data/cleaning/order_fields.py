"""What a shop's export says of an order in its first row only: how it ended, when it was paid or cancelled."""

from __future__ import annotations

import polars as pl

from llmrec.data.cleaning.outcome_columns import is_blank, is_status
from llmrec.data.columns import ITEM, TIME, USER

_NAMED = 3


def fill_order_fields(events: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Give the rows of an order what only its first row says, and a note of it, "" where every row says its own.

    ``events`` are in the log's order, with ids as codes and times. Only first rows say it where a status is blank
    in no row but such as have the user and the time of the row before; then all that is blank wherever the status
    is belongs to orders, as in the exports of Shopify.
    """
    blanks = [is_blank(column) for column in events.get_columns() if is_status(column)]
    if not any(one.any() for one in blanks):
        return events, ""
    same = (pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (USER, TIME))
    further = events.select(pl.all_horizontal(pl.int_range(pl.len()) > 0, *same)).to_series()
    blank = next((one for one in blanks if one.any() and not (one & ~further).any()), None)
    if blank is None:
        return events, ""
    names = [
        column.name
        for column in events.get_columns()
        if column.name not in (USER, ITEM, TIME) and is_blank(column.filter(blank)).all()
    ]
    rows = pl.int_range(events.height, dtype=pl.UInt32, eager=True)
    first = pl.select(pl.when(~blank).then(rows).forward_fill()).to_series()
    filled = events.with_columns(events[name].gather(first) for name in names)
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return filled, f"{shown}: {int(blank.sum()):,} rows take them from the first row of their order"
