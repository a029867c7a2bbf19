"""Filters on demand: impossible values, conditions, repeats, bots, rare users and items; until nothing goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from llmrec.data.cleaning.behaviors import is_return
from llmrec.data.cleaning.conditions import Condition, columns_of, events_that_meet, require_condition
from llmrec.data.cleaning.number_cells import require_numbers
from llmrec.data.cleaning.number_times import FLOOR
from llmrec.data.cleaning.table import EventTable
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, USER
from llmrec.data.id_codes import with_text_ids
from llmrec.data.ids import whole_number
from llmrec.errors import DataError

HOUR = 3600
# A clock may run ahead a little.
_AHEAD = 24 * HOUR


@dataclass(frozen=True)
class FilterOptions:
    """What to remove, each off by default; see ``cleaning.clean`` for what they mean."""

    drop_impossible: bool = False
    drop_repeats: bool = False
    drop_where: Sequence[Condition] = ()
    max_events_per_hour: int | None = None
    min_user_events: int = 0
    min_item_events: int = 0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> FilterOptions:
        """Take those of the filters out of cleaning options. A single condition needs no list."""
        mine = {field.name: options[field.name] for field in fields(cls) if field.name in options}
        where = mine.get("drop_where", ())
        listed = tuple(where) if isinstance(where, list | tuple) else (where,)
        return cls(**{**mine, "drop_where": listed})

    def __post_init__(self) -> None:
        if self.max_events_per_hour is not None:
            whole_number(self.max_events_per_hour, label="max_events_per_hour")
        for name in ("min_user_events", "min_item_events"):
            whole_number(getattr(self, name), label=name, least=0)
        for condition in self.drop_where:
            require_condition(condition, "drop_where")


Mask = Callable[[EventTable], pl.Series]


def apply_filters(events: EventTable, options: FilterOptions) -> EventTable:
    """Remove what ``options`` say, until nothing more goes: a removed item may leave two equal events in a row.

    Raises DataError for a condition that cannot be used and for rates of a log without times.
    """
    _require_numbers(events, options)
    masks = _masks(events, options)
    height = -1
    while masks and events.frame.height != height:
        again = height >= 0
        height = events.frame.height
        for why, mask in masks:
            marks = mask(events)
            if again and bool(marks.all()):
                continue  # a later round is recorded only where it removes something
            events = events.filter(marks, why)
    return events


def _require_numbers(events: EventTable, options: FilterOptions) -> None:
    needs = dict.fromkeys(("price", "quantity"), "--drop-impossible") if options.drop_impossible else {}
    for condition in options.drop_where:
        names = columns_of(condition)
        needs |= dict.fromkeys(names, f"--drop-where {condition}")
    require_numbers(events.steps, needs, label=events.label)


def _masks(events: EventTable, options: FilterOptions) -> list[tuple[str, Mask]]:
    """Return the chosen filters in the order in which they run, each a mask of the events to keep."""
    masks: list[tuple[str, Mask]] = []
    if options.drop_impossible:
        masks += [
            ("time in the future", _not_future),
            ("time before 1973", _not_ancient),
            ("negative price or quantity, not a return", _not_negative),
        ]
    masks += [(f"where {condition}", partial(_unmet, condition)) for condition in options.drop_where]
    if options.drop_repeats:
        masks.append(("same event as the one before", _not_repeated))
    if options.max_events_per_hour is not None:
        if events.order_only:
            raise DataError(f"{events.label}: max_events_per_hour needs times, and this log has only an order")
        rate = options.max_events_per_hour
        masks.append((f"user with more than {rate} events in an hour", partial(_not_bots, rate)))
    if options.min_item_events > 1:
        masks.append((f"item with fewer than {options.min_item_events} events", partial(_frequent, ITEM, options)))
    if options.min_user_events > 1:
        masks.append((f"user with fewer than {options.min_user_events} events", partial(_frequent, USER, options)))
    return masks


def count_impossible(events: EventTable) -> int:
    """Return how many events have values that cannot be: for a warning where they are not dropped."""
    return int((~(_not_future(events) & _not_ancient(events) & _not_negative(events))).sum())


def _not_future(events: EventTable) -> pl.Series:
    if events.order_only:
        return _all(events)
    return events.frame[TIME] <= int(time.time()) + _AHEAD


def _not_ancient(events: EventTable) -> pl.Series:
    """Mark times that are no zeros in disguise; all of them where all are early."""
    late = events.frame[TIME] >= FLOOR
    return late if not events.order_only and late.any() else _all(events)


def _not_negative(events: EventTable) -> pl.Series:
    columns = [name for name in ("price", "quantity") if name in events.frame.columns]
    if not columns:
        return _all(events)
    fine = pl.all_horizontal((pl.col(name) >= 0).fill_null(True) for name in columns)
    if BEHAVIOR in events.frame.columns:
        fine = fine | is_return(pl.col(BEHAVIOR))
    return events.frame.select(fine).to_series()


def _unmet(condition: Condition, events: EventTable) -> pl.Series:
    table = with_text_ids(events.frame, events.users, events.items)
    return ~events_that_meet(condition, table, label=events.label)


def _not_repeated(events: EventTable) -> pl.Series:
    same = [name for name in (USER, ITEM, BEHAVIOR) if name in events.frame.columns]
    equal = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in same)
    first = pl.int_range(pl.len()) == 0
    return events.frame.select(first | ~equal).to_series()


def _not_bots(rate: int, events: EventTable) -> pl.Series:
    """Mark events of users who never had more than ``rate`` events within an hour."""
    later = pl.col(TIME).shift(-rate) - pl.col(TIME)
    fast = (pl.col(USER) == pl.col(USER).shift(-rate)) & (later <= HOUR)
    bots = events.frame.filter(fast.fill_null(False))[USER].unique()
    return ~events.frame[USER].is_in(bots.implode())


def _frequent(column: str, options: FilterOptions, events: EventTable) -> pl.Series:
    least = options.min_item_events if column == ITEM else options.min_user_events
    codes = events.frame[column].to_numpy()
    return pl.Series((np.bincount(codes) >= least)[codes])


def _all(events: EventTable) -> pl.Series:
    return pl.repeat(True, events.frame.height, dtype=pl.Boolean, eager=True)
