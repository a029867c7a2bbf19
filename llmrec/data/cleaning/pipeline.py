"""Turn two raw tables into events and items that every later step can trust, saying what was removed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
import polars as pl

from llmrec.data.cleaning.behaviors import scaled, with_strength
from llmrec.data.cleaning.filters import Condition, Log, Thinning, impossible, thin
from llmrec.data.cleaning.infer_catalog import catalog_of
from llmrec.data.cleaning.steps import Step, keep
from llmrec.data.cleaning.timestamps import MICROS, to_micros
from llmrec.data.columns import ITEM, NUMBERS, TIME, TITLE, USER
from llmrec.data.id_codes import Ids, coded, compacted, order_of
from llmrec.data.readers.frames import flat
from llmrec.errors import DataError

log = logging.getLogger(__name__)


class CleaningOptions(TypedDict, total=False):
    """What ``clean`` does beyond what it always does; each is off unless given.

    ``drop_unknown_items``: events whose item is not in the catalog; refused otherwise, as are the next two.
    ``drop_items_without_text``; ``drop_bad_times``: events whose time is missing or cannot be read.
    ``drop_further_item_rows``: all but the first of the rows of one item that differ; refused otherwise.
    ``keep_unseen_items``: items that no event names.
    ``drop_impossible``: times after tomorrow, a negative price or quantity unless it is a return.
    ``drop_where``: events that meet a condition: a polars expression, or the text of an SQL one.
    ``drop_repeats``: an event with the user, item and behavior of the one before.
    ``max_events_per_hour``: all events of users who had more than that within any hour.
    ``min_user_events``, ``min_item_events``: rare ones, again and again (both at k: the k-core).
    ``scale``: columns to scale; ``strengths``: of behaviors with an unusual name; see ``behaviors``.
    """

    drop_unknown_items: bool
    drop_items_without_text: bool
    drop_bad_times: bool
    drop_further_item_rows: bool
    keep_unseen_items: bool
    drop_impossible: bool
    drop_where: Sequence[Condition]
    drop_repeats: bool
    max_events_per_hour: int | None
    min_user_events: int
    min_item_events: int
    scale: Sequence[str]
    strengths: Mapping[str, int]


@dataclass(frozen=True)
class Cleaned:
    """What ``clean`` returns: sorted events, the items they name, and the record of every step.

    ``ids`` are the users and the items of the events, coded.
    """

    events: pl.DataFrame
    ids: Ids
    items: pl.DataFrame
    steps: tuple[Step, ...]
    order_only: bool


def clean(
    events: pl.DataFrame,
    items: pl.DataFrame | None,
    *,
    events_name: str = "events",
    items_name: str = "items",
    **options: Unpack[CleaningOptions],
) -> Cleaned:
    """Check and clean two tables that have our column names.

    Events come out sorted by user, then time, ties in the log's order; ``timestamp`` is Int64 Unix seconds,
    or 0, 1, 2, ... per user in a log without times. Always removed: events without ids, exact duplicates
    (where there are times), items that no event names. Every removal is a ``Step`` and is logged. Raises
    DataError with the option that would let the data pass; its message calls the tables ``events_name`` and
    ``items_name``.
    """
    thinning = Thinning.of(options)
    steps: list[Step] = []
    raw = [flat(events, name=events_name, ids=(USER, ITEM))]
    del events  # the raw text is let go as soon as it is coded: it takes most of the memory
    timed = _timed(raw.pop(), events_name, steps, options.get("drop_bad_times", False))
    told, catalog = _catalogued(timed, items, items_name, steps, options)
    if not thinning.drop_impossible and (count := impossible(told)):
        log.warning("%s: %d events have impossible values; drop them with --drop-impossible", events_name, count)
    table = thin(told, thinning, steps)
    if table.is_empty():
        raise _nothing_left(events_name, steps)
    # Removed rows leave gaps in an order, and may leave mere order where there was none: settle it last.
    order_only = told.order_only or _counts_up(table)
    if order_only:
        table = table.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over(USER).alias(TIME))
    if not options.get("keep_unseen_items", False) and table.height < timed.events.height:
        left = catalog[ITEM].is_in(told.items.gather(table[ITEM].unique()).implode())
        catalog = keep(catalog, left, "no event is left that names it", "items", steps)
    table = with_strength(table, options.get("strengths", {}), name=events_name, steps=steps)
    table = scaled(table, tuple(options.get("scale", ())), name=events_name, steps=steps)
    ids = compacted(table[USER], told.users), compacted(table[ITEM], told.items)
    events = table.with_columns(column.text() for column in ids)
    return Cleaned(events, ids, catalog, tuple(steps), order_only)


def _catalogued(
    timed: Log, items: pl.DataFrame | None, items_name: str, steps: list[Step], options: CleaningOptions
) -> tuple[Log, pl.DataFrame]:
    """Return the catalog, given or taken from the log, and the events whose items are in it and have text."""
    if items is None:
        events, catalog = catalog_of(timed.events, timed.items, name=timed.name)
        told, items_name = replace(timed, events=events), timed.name
    else:
        everything = options.get("keep_unseen_items", False)
        seen = None if everything else timed.items.gather(timed.events[ITEM].unique().sort())
        further = options.get("drop_further_item_rows", False)
        catalog = _one_row_each(flat(items, name=items_name), seen, items_name, steps, further)
        told = _known(timed, catalog, items_name, steps, options.get("drop_unknown_items", False))
    catalog = _with_text(catalog, items_name, steps, options.get("drop_items_without_text", False))
    return replace(
        told, events=keep(told.events, _in(told, catalog), "item without text", "events", steps)
    ), catalog


def _timed(events: pl.DataFrame, name: str, steps: list[Step], drop_bad_times: bool) -> Log:
    """Read ids, times and numbers, drop rows that lack one, sort, drop exact duplicates."""
    rest = [column for column in events.columns if column not in (USER, ITEM, TIME)]
    users, items = coded(events[USER], where=name), coded(events[ITEM], where=name)
    events = events.drop(USER, ITEM)
    if TIME in events.columns:
        micros = to_micros(events[TIME], where=name)
    else:
        log.info("%s: no timestamps; the order of its rows is taken as the order of events", name)
        micros = pl.Series(TIME, np.arange(len(users.codes), dtype=np.int64) * MICROS)
    numbers = [_number(events[column], name) if column in NUMBERS else events[column] for column in rest]
    table = pl.DataFrame([users.codes, items.codes, (micros // MICROS).alias(TIME), *numbers])
    present = table[USER].is_not_null() & table[ITEM].is_not_null()
    bad = present & micros.is_null()
    if bad.any() and not drop_bad_times:
        raise _bad_times(events[TIME], bad, name)
    order_only = TIME not in events.columns or _counts_up(table)
    table = keep(table, present, "missing user or item id", "events", steps)
    micros = micros.filter(present)
    timed = micros.is_not_null()
    table = keep(table, timed, "missing or unreadable timestamp", "events", steps)
    table = table[order_of(table[USER], micros.filter(timed))]
    if not order_only:
        table = keep(table, ~_repeated(table), "exact duplicate", "events", steps)
    return Log(table, users.names, items.names, order_only, name)


def _known(log_: Log, catalog: pl.DataFrame, items_name: str, steps: list[Step], drop_unknown_items: bool) -> Log:
    """Keep events whose item is in the catalog."""
    known = _in(log_, catalog)
    if not known.all() and not drop_unknown_items:
        example = log_.items[log_.events.filter(~known)[ITEM][0]]
        raise DataError(
            f"{int((~known).sum())} of {known.len()} interactions name items missing from {items_name}, "
            f"e.g. {example!r}; add them or pass --drop-unknown-items (drop_unknown_items=True)"
        )
    events = keep(log_.events, known, "item not in the catalog", "events", steps)
    return replace(log_, events=events)


def _in(log_: Log, catalog: pl.DataFrame) -> pl.Series:
    """Mark the events whose item is in the catalog."""
    there = log_.items.is_in(catalog[ITEM].implode())
    return there.gather(log_.events[ITEM]).alias("kept")


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
    if _latest(events) > events.height:  # most logs: told without a copy
        return False
    known = events.filter(pl.col(USER).is_not_null())
    if known[TIME].has_nulls() or known.is_empty() or _latest(known) > known.height:
        return False
    times = pl.col(TIME)
    users = known.group_by(USER).agg(
        first=times.min(), span=times.max() - times.min() + 1, n=pl.len(), distinct=times.n_unique()
    )
    starts = users["first"].unique()
    in_step = users.select((pl.col("span") == pl.col("n")) & (pl.col("n") == pl.col("distinct"))).to_series()
    return starts.len() == 1 and starts[0] in (0, 1) and bool(in_step.all())


def _latest(events: pl.DataFrame) -> int:
    times = events.filter(pl.col(USER).is_not_null())[TIME] if events[USER].has_nulls() else events[TIME]
    latest = times.max()
    return latest if isinstance(latest, int) else 0


def _repeated(table: pl.DataFrame) -> pl.Series:
    """Mark rows that equal an earlier row in every column. Rows are sorted by user and time."""
    same = (pl.col(USER) == pl.col(USER).shift(1)) & (pl.col(TIME) == pl.col(TIME).shift(1))
    tied = table.select((same | same.shift(-1)).fill_null(False).alias("tied")).to_series()
    # Only rows of one user at one time can be equal: comparing whole rows is slow.
    rows = table.with_row_index("row").filter(tied)
    twice = rows.filter(~rows.select(pl.struct(pl.exclude("row")).is_first_distinct()).to_series())["row"]
    marks = np.zeros(table.height, dtype=bool)
    marks[twice.to_numpy()] = True
    return pl.Series(marks)


def _one_row_each(
    items: pl.DataFrame, seen: pl.Series | None, name: str, steps: list[Step], drop_further_rows: bool
) -> pl.DataFrame:
    """Keep one row per item that is among ``seen``. Raises DataError where rows of one item differ."""
    title = items[TITLE].cast(pl.String)
    ids = coded(items[ITEM], where=name)
    items = items.with_columns(ids.names.gather(ids.codes).alias(ITEM), title)
    items = items.select(ITEM, TITLE, pl.exclude(ITEM, TITLE))
    items = keep(items, items[ITEM].is_not_null(), "missing item id", "items", steps)
    first = items.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    items = keep(items, first, "exact duplicate", "items", steps)
    if seen is not None:
        items = keep(items, items[ITEM].is_in(seen.implode()), "no event names it", "items", steps)
    if drop_further_rows:
        items = keep(items, items[ITEM].is_first_distinct(), "further row of the same item", "items", steps)
    twice = items.filter(items[ITEM].is_duplicated())[ITEM]
    if twice.len():
        count = int((items[ITEM] == twice[0]).sum())
        raise DataError(
            f"{name}: item_id {twice[0]!r} has {count} rows that differ; keep one row per item, "
            "or pass --drop-further-item-rows (drop_further_item_rows=True)"
        )
    return items


def _with_text(items: pl.DataFrame, name: str, steps: list[Step], drop_items_without_text: bool) -> pl.DataFrame:
    titled = (items[TITLE].str.strip_chars() != "").fill_null(False)
    if not titled.all() and not drop_items_without_text:
        bare = items.filter(~titled)[ITEM]
        raise DataError(
            f"{name}: {bare.len()} of {items.height} items have no title, e.g. {bare[0]!r}; give them one, "
            "or pass --drop-items-without-text (drop_items_without_text=True)"
        )
    return keep(items, titled, "item without text", "items", steps)


def _bad_times(column: pl.Series, bad: pl.Series, name: str) -> DataError:
    row = int(bad.arg_true()[0])
    value = "has none" if column[row] is None else f"has {column[row]!r}"
    return DataError(
        f"{name}: {int(bad.sum())} of {column.len()} timestamps are unusable: data row {row + 1} {value}; "
        "use Unix seconds or ISO 8601 (2024-05-31T18:00Z), or pass --drop-bad-times (drop_bad_times=True)"
    )


def _nothing_left(name: str, steps: list[Step]) -> DataError:
    gone = [step for step in steps if step.removed and step.table == "events"]
    removed = "; ".join(f"{step.name}: {step.removed}" for step in gone)
    return DataError(f"{name}: no event is left after cleaning ({removed or 'there was none'})")
