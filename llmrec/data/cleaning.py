"""Turn two raw tables into events and items that every later step can trust, saying what was removed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import polars as pl

from llmrec.data.columns import ITEM, NUMBERS, TIME, TITLE, USER
from llmrec.data.from_log import catalog_of
from llmrec.data.tables import flat
from llmrec.data.times import MICROS, to_micros
from llmrec.errors import DataError

log = logging.getLogger(__name__)


class CleaningOptions(TypedDict, total=False):
    """The options of ``clean``, each False unless given."""

    drop_unknown_items: bool
    drop_items_without_text: bool
    drop_bad_times: bool
    keep_unseen_items: bool


@dataclass(frozen=True)
class Step:
    """One cleaning step: how many rows of which table it saw and removed, and why."""

    name: str
    table: str
    rows_in: int
    removed: int


@dataclass(frozen=True)
class Cleaned:
    """What ``clean`` returns: sorted events, the items they name, and the record of every step."""

    events: pl.DataFrame
    items: pl.DataFrame
    steps: tuple[Step, ...]
    order_only: bool


def clean(
    events: pl.DataFrame,
    items: pl.DataFrame | None,
    *,
    drop_unknown_items: bool = False,
    drop_items_without_text: bool = False,
    drop_bad_times: bool = False,
    keep_unseen_items: bool = False,
    events_name: str = "events",
    items_name: str = "items",
) -> Cleaned:
    """Check and clean two tables that have our column names.

    Events come out sorted by user, then time, ties in the log's order; ``timestamp`` is Int64 Unix seconds,
    or 0, 1, 2, ... per user in a log without times. Every removal is a ``Step`` and is logged. Raises
    DataError with the option that would let the data pass; its message calls the tables ``events_name`` and
    ``items_name``.
    """
    steps: list[Step] = []
    log_, order_only = _timed(flat(events, name=events_name), events_name, steps, drop_bad_times)
    if not order_only:
        log_ = _keep(log_, ~_repeated(log_), "exact duplicate", "events", steps)
    if items is None:
        log_, catalog = catalog_of(log_, name=events_name)
        catalog = _with_text(catalog, events_name, steps, drop_items_without_text)
        told = log_[ITEM].is_in(catalog[ITEM].implode())
        log_ = _keep(log_, told, "item without text", "events", steps)
    else:
        catalog = _one_row_each(flat(items, name=items_name), log_, items_name, steps, keep_unseen_items)
        known = log_[ITEM].is_in(catalog[ITEM].implode())
        if not known.all() and not drop_unknown_items:
            raise _unknown_items(log_.filter(~known), log_.height, items_name)
        log_ = _keep(log_, known, "item not in the catalog", "events", steps)
        catalog = _with_text(catalog, items_name, steps, drop_items_without_text)
        told = log_[ITEM].is_in(catalog[ITEM].implode())
        log_ = _keep(log_, told, "item without text", "events", steps)
    if log_.is_empty():
        gone = [step for step in steps if step.removed and step.table == "events"]
        removed = "; ".join(f"{step.name}: {step.removed}" for step in gone)
        raise DataError(f"{events_name}: no event is left after cleaning ({removed or 'there was none'})")
    # Removed rows leave gaps in an order, and may leave mere order where there was none: settle it last.
    order_only = order_only or _counts_up(log_)
    if order_only:
        log_ = log_.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over(USER).alias(TIME))
    return Cleaned(log_, catalog, tuple(steps), order_only)


def _timed(events: pl.DataFrame, name: str, steps: list[Step], drop_bad_times: bool) -> tuple[pl.DataFrame, bool]:
    """Read ids, times and numbers, drop what has none, sort. Returns also whether times are mere order."""
    first = (USER, ITEM, TIME)
    rest = [column for column in events.columns if column not in first]
    read = [_ids(events[USER], name), _ids(events[ITEM], name)]
    if TIME in events.columns:
        micros = to_micros(events[TIME], where=name)
    else:
        log.info("%s: no timestamps; the order of its rows is taken as the order of events", name)
        micros = pl.Series(TIME, np.arange(events.height, dtype=np.int64) * MICROS)
    numbers = [_number(events[column], name) if column in NUMBERS else events[column] for column in rest]
    table = pl.DataFrame([*read, (micros // MICROS).alias(TIME), *numbers])
    present = table[USER].is_not_null() & table[ITEM].is_not_null()
    bad = present & micros.is_null()
    if bad.any() and not drop_bad_times:
        raise _bad_times(events[TIME], bad, name)
    order_only = TIME not in events.columns or _counts_up(table)
    table = _keep(table, present, "missing user or item id", "events", steps)
    micros = micros.filter(present)
    timed = micros.is_not_null()
    table = _keep(table, timed, "missing or unreadable timestamp", "events", steps)
    return table[_order(table[USER], micros.filter(timed))], order_only


def _ids(column: pl.Series, name: str) -> pl.Series:
    """Return ids as text, null where blank. Floats that are all whole numbers are written as such."""
    if column.dtype.is_float():
        finite = column.is_finite().fill_null(False)
        column = pl.select(pl.when(finite).then(column)).to_series().alias(column.name)
        if (column.drop_nulls() % 1 == 0).all():
            column = column.cast(pl.Int64, strict=False)
    text = column.cast(pl.String)
    broken = text.str.contains("\n", literal=True)
    if broken.any():
        # Rows that a stray quote swallowed end up in one cell: taking it for an id would lose them silently.
        value = text.filter(broken)[0][:40]
        raise DataError(f"{name}: {column.name} {value!r} spans lines; look for a quote that is never closed")
    return pl.select(pl.when(text.str.strip_chars() != "").then(text)).to_series().alias(column.name)


def _number(column: pl.Series, name: str) -> pl.Series:
    read = column.cast(pl.Float64, strict=False)
    bad = read.is_null() & column.is_not_null()
    if bad.any():
        row = int(bad.arg_true()[0])
        raise DataError(
            f"{name}: {column.name} {column[row]!r} in data row {row + 1} is not a number; correct it or "
            "rename the column"
        )
    return read


def _counts_up(events: pl.DataFrame) -> bool:
    """Whether each user's times are 0, 1, ..., n-1 (or 1, ..., n): an order somebody wrote as times."""
    known = events.filter(pl.col(USER).is_not_null())
    latest = known[TIME].max()
    if known[TIME].has_nulls() or not isinstance(latest, int) or latest > known.height:
        return False
    times = pl.col(TIME)
    users = known.group_by(USER).agg(
        first=times.min(), span=times.max() - times.min() + 1, n=pl.len(), distinct=times.n_unique()
    )
    starts = users["first"].unique()
    in_step = users.select((pl.col("span") == pl.col("n")) & (pl.col("n") == pl.col("distinct"))).to_series()
    return starts.len() == 1 and starts[0] in (0, 1) and bool(in_step.all())


def _order(users: pl.Series, micros: pl.Series) -> pl.Series:
    """Return the rows in order of user, then time, ties as they stood. Time is finer than the table's."""
    # Sorting the few distinct names once, then numbers, is several times faster than sorting rows by name.
    names = users.unique().sort().alias(USER).to_frame().with_row_index("place")
    places = users.alias(USER).to_frame().join(names, on=USER, how="left", maintain_order="left")["place"]
    keys = pl.DataFrame({"user": places, "time": micros}).with_row_index("row")
    return keys.sort("user", "time", maintain_order=True)["row"]


def _repeated(table: pl.DataFrame) -> pl.Series:
    """Mark rows that equal an earlier row in every column."""
    return ~table.select(pl.struct(pl.all()).is_first_distinct()).to_series()


def _keep(table: pl.DataFrame, kept: pl.Series, why: str, name: str, steps: list[Step]) -> pl.DataFrame:
    """Keep rows and write down how many went."""
    removed = table.height - int(kept.sum())
    steps.append(Step(why, name, table.height, removed))
    if removed:
        level = logging.WARNING if name == "events" else logging.INFO
        log.log(level, "%s: removed %d of %d rows: %s", name, removed, table.height, why)
        return table.filter(kept)
    return table


def _one_row_each(
    items: pl.DataFrame, events: pl.DataFrame, name: str, steps: list[Step], keep_unseen_items: bool
) -> pl.DataFrame:
    """Keep one row per item that the events name. Raises DataError where rows of one item differ."""
    title = items[TITLE].cast(pl.String)
    items = items.with_columns(_ids(items[ITEM], name), title)
    items = items.select(ITEM, TITLE, pl.exclude(ITEM, TITLE))
    items = _keep(items, items[ITEM].is_not_null(), "missing item id", "items", steps)
    items = _keep(items, ~_repeated(items), "exact duplicate", "items", steps)
    if not keep_unseen_items:
        seen = items[ITEM].is_in(events[ITEM].unique().implode())
        items = _keep(items, seen, "no event names it", "items", steps)
    twice = items.filter(items[ITEM].is_duplicated())[ITEM]
    if twice.len():
        count = int((items[ITEM] == twice[0]).sum())
        raise DataError(f"{name}: item_id {twice[0]!r} has {count} rows that differ; keep one row per item")
    return items


def _with_text(items: pl.DataFrame, name: str, steps: list[Step], drop_items_without_text: bool) -> pl.DataFrame:
    titled = (items[TITLE].str.strip_chars() != "").fill_null(False)
    if not titled.all() and not drop_items_without_text:
        bare = items.filter(~titled)[ITEM]
        raise DataError(
            f"{name}: {bare.len()} of {items.height} items have no title, e.g. {bare[0]!r}; give them one, "
            "or pass --drop-items-without-text (drop_items_without_text=True)"
        )
    return _keep(items, titled, "item without text", "items", steps)


def _bad_times(column: pl.Series, bad: pl.Series, name: str) -> DataError:
    row = int(bad.arg_true()[0])
    value = "has none" if column[row] is None else f"has {column[row]!r}"
    return DataError(
        f"{name}: {int(bad.sum())} of {column.len()} timestamps are unusable: data row {row + 1} {value}; "
        "use Unix seconds or ISO 8601 (2024-05-31T18:00Z), or pass --drop-bad-times (drop_bad_times=True)"
    )


def _unknown_items(unknown: pl.DataFrame, total: int, name: str) -> DataError:
    return DataError(
        f"{unknown.height} of {total} interactions name items missing from {name}, e.g. {unknown[ITEM][0]!r}"
        "; add them or pass --drop-unknown-items (drop_unknown_items=True)"
    )
