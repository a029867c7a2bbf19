"""Find times in columns that are not named for them: another order would pass over them in silence."""

from __future__ import annotations

import re

import polars as pl

from llmrec.data.cleaning.column_types import holds_ids
from llmrec.data.cleaning.number_times import DAY, Times
from llmrec.data.cleaning.read_times import read_times, time_kind
from llmrec.data.cleaning.row_order import count_against_rows, date_columns, months_against_rows
from llmrec.data.cleaning.timestamps import MICROS
from llmrec.data.columns import NUMBERS, TIME
from llmrec.errors import DataError

# Times of people and items, not of events.
_NO_EVENT = re.compile(r"birth|dob|regist|sign_?up|joined|release|publi|expir|updated", re.IGNORECASE)


def columns_with_times(raw: pl.DataFrame, items: pl.Series, *, label: str) -> dict[str, str]:
    """Return the columns that hold times of events, by any name but ours, each with its kind (``time_kind``)."""
    kinds = {
        name: time_kind(raw[name], label=label)
        for name in raw.columns
        if name not in NUMBERS and not holds_ids(name) and not _NO_EVENT.search(name)
    }
    return {name: kind for name, kind in kinds.items() if kind is not None and not of_items(raw[name], items)}


def of_items(column: pl.Series, items: pl.Series) -> bool:
    """Whether a column says something of an item, such as when it came out: an item's events agree on it."""
    pairs = pl.DataFrame([items.alias("item"), column.alias("value")])
    n_items = items.n_unique()
    return n_items * 2 <= len(items) and pairs.n_unique() == n_items


def refuse_unnamed(
    raw: pl.DataFrame, users: pl.Series, items: pl.Series, *, time_format: str | None, label: str
) -> None:
    """Stop where a column of another name holds times, or counts events in another order than the rows."""
    timed = list(columns_with_times(raw, items, label=label))
    if timed:
        raise DataError(
            f"{label}: no column is named for the time of events, but {_examples(raw, timed)} holds times; "
            f"name it with --column timestamp={timed[0]} (columns={{...}}), or pass --order-by-rows "
            "(order_by_rows=True)"
        )
    if time_format is not None:
        raise DataError(
            f"{label}: --time-format is given, and no column of times; name it with --column timestamp=NAME"
        )
    months = months_against_rows(raw, users)
    if months is not None and not of_items(months, items):
        raise DataError(
            f"{label}: no column is named for the time of events, and its year and month are in another order "
            "than the rows; write both in one column named timestamp (2024-05), or pass --order-by-rows "
            "(order_by_rows=True)"
        )
    counted = count_against_rows(raw, users)
    if counted is not None and not of_items(raw[counted], items):
        raise DataError(
            f"{label}: no column is named for the time of events, and '{counted}' counts a user's events in "
            f"another order than the rows; name it with --column timestamp={counted}, or pass --order-by-rows "
            "(order_by_rows=True)"
        )


def refuse_no_times(raw: pl.DataFrame, items: pl.Series, *, name: str, label: str) -> None:
    """Stop where the column that is named for times, ``name`` in the log, holds none, and others do."""
    timed = list(columns_with_times(raw, items, label=label))
    parts = list(date_columns(raw).values())
    if not timed and not parts:
        return
    first = raw[TIME].drop_nulls()
    shown = f"'{name}' ({first[0]})" if len(first) else f"'{name}'"
    if timed:
        holds, remedy = _examples(raw, timed), f"name it with --column timestamp={timed[0]} (columns={{...}})"
    else:
        holds, remedy = ", ".join(parts), f"rename '{name}' to have these read as one time"
    raise DataError(
        f"{label}: {shown} is named for the times of events and holds none, but {holds} does; {remedy}, or, where "
        f"'{name}' is the order of events, pass --time-format order"
    )


def fuller_times(
    raw: pl.DataFrame, items: pl.Series, days: Times, *, name: str, label: str
) -> tuple[Times, list[str]]:
    """Return the times of the one column that says when on these days events were, and its name, if one does.

    ``name``: of the column of days in the log.
    """
    if days.order_only or (days.micros % (DAY * MICROS) != 0).any():
        return days, []
    kinds = columns_with_times(raw, items, label=label)
    read = {other: read_times(raw[other], label=label) for other, kind in kinds.items() if kind == "time"}
    fuller = {
        other: times
        for other, times in read.items()
        if (times.micros // (DAY * MICROS) * (DAY * MICROS)).equals(days.micros, check_names=False)
    }
    if not fuller:
        return days, []
    if len(fuller) > 1:
        note = f"its days are those of {', '.join(fuller)}: name one for the time of day with --column timestamp"
        return Times(days.micros, f"{days.note}; {note}" if days.note else note), []
    other, times = next(iter(fuller.items()))
    note = f"{other} is read for {name}, which has its days alone"
    return Times(times.micros, f"{note}; {times.note}" if times.note else note), [other]


def _examples(raw: pl.DataFrame, names: list[str]) -> str:
    return ", ".join(f"'{name}' ({raw[name].drop_nulls()[0]})" for name in names)
