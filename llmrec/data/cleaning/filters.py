"""Cleaning on demand: impossible values, repeats, bots, spam, rare users and items; until nothing more goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from llmrec.data.cleaning.behaviors import is_return
from llmrec.data.cleaning.steps import Step, keep
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, USER
from llmrec.data.id_codes import decoded
from llmrec.errors import DataError

Condition = str | pl.Expr
HOUR = 3600
# A clock may run ahead a little.
_AHEAD = 24 * HOUR


@dataclass(frozen=True)
class Thinning:
    """What to remove, each off by default; see ``cleaning.clean`` for what they mean."""

    drop_impossible: bool = False
    drop_repeats: bool = False
    drop_where: Sequence[Condition] = ()
    max_events_per_hour: int | None = None
    min_user_events: int = 0
    min_item_events: int = 0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Thinning:
        """Take what concerns thinning out of cleaning options. A single condition may stand by itself."""
        mine = {field.name: options[field.name] for field in fields(cls) if field.name in options}
        where = mine.get("drop_where", ())
        return cls(**{**mine, "drop_where": (where,) if isinstance(where, str | pl.Expr) else tuple(where)})

    def __post_init__(self) -> None:
        if self.max_events_per_hour is not None and self.max_events_per_hour < 1:
            raise DataError(f"max_events_per_hour is {self.max_events_per_hour}; it must be at least 1")
        if min(self.min_user_events, self.min_item_events) < 0:
            raise DataError("min_user_events and min_item_events must not be negative")


@dataclass(frozen=True)
class Log:
    """Coded events sorted by user and time, the names behind the codes, and whether times are mere order."""

    events: pl.DataFrame
    users: pl.Series
    items: pl.Series
    order_only: bool
    name: str


Mask = Callable[[Log], pl.Series]


def thin(log: Log, options: Thinning, steps: list[Step]) -> pl.DataFrame:
    """Remove what ``options`` say, again and again: an item that goes may bring two equal events together.

    Raises DataError for a condition that cannot be used and for rates of a log without times.
    """
    masks = _masks(log, options)
    events, seen = log.events, -1
    while masks and events.height != seen:
        again = seen >= 0
        seen = events.height
        for why, mask in masks:
            kept = mask(replace(log, events=events))
            if again and bool(kept.all()):
                continue  # a later round is written down only where it removes something
            events = keep(events, kept, why, "events", steps)
    return events


def _masks(log: Log, options: Thinning) -> list[tuple[str, Mask]]:
    """Return the steps asked for, in the order in which they run."""
    masks: list[tuple[str, Mask]] = []
    if options.drop_impossible:
        masks += [("time in the future", _not_future), ("negative price or quantity, not a return", _not_negative)]
    masks += [(f"where {condition}", partial(_unmet, condition)) for condition in options.drop_where]
    if options.drop_repeats:
        masks.append(("same event as the one before", _not_repeated))
    if options.max_events_per_hour is not None:
        if log.order_only:
            raise DataError(f"{log.name}: max_events_per_hour needs times, and this log has only an order")
        rate = options.max_events_per_hour
        masks.append((f"user with more than {rate} events in an hour", partial(_not_bots, rate)))
    if options.min_item_events > 1:
        masks.append((f"item with fewer than {options.min_item_events} events", partial(_frequent, ITEM, options)))
    if options.min_user_events > 1:
        masks.append((f"user with fewer than {options.min_user_events} events", partial(_frequent, USER, options)))
    return masks


def impossible(log: Log) -> int:
    """Return how many events have values that cannot be: for a warning where they are not dropped."""
    return int((~(_not_future(log) & _not_negative(log))).sum())


def _not_future(log: Log) -> pl.Series:
    if log.order_only:
        return _all(log)
    return log.events[TIME] <= int(time.time()) + _AHEAD


def _not_negative(log: Log) -> pl.Series:
    columns = [name for name in ("price", "quantity") if name in log.events.columns]
    if not columns:
        return _all(log)
    fine = pl.all_horizontal((pl.col(name) >= 0).fill_null(True) for name in columns)
    if BEHAVIOR in log.events.columns:
        fine = fine | is_return(pl.col(BEHAVIOR))
    return log.events.select(fine.alias("kept")).to_series()


def _unmet(condition: Condition, log: Log) -> pl.Series:
    """Mark the events that a condition does not hold for; unknown (null) counts as not met."""
    try:
        expression = pl.sql_expr(condition) if isinstance(condition, str) else condition
        table = decoded(log.events, log.users, log.items)
        met = table.select(expression.alias("met")).to_series()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{log.name}: cannot drop events where {condition}: {reason}; the columns are "
            f"{', '.join(log.events.columns)}"
        ) from error
    if met.dtype != pl.Boolean or met.len() != log.events.height:
        raise DataError(f"{log.name}: '{condition}' is no condition on an event; write for example price > 1000")
    return ~met.fill_null(False)


def _not_repeated(log: Log) -> pl.Series:
    same = [name for name in (USER, ITEM, BEHAVIOR) if name in log.events.columns]
    equal = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in same)
    first = pl.int_range(pl.len()) == 0
    return log.events.select((first | ~equal).alias("kept")).to_series()


def _not_bots(rate: int, log: Log) -> pl.Series:
    """Mark events of users who never had more than ``rate`` events within an hour."""
    later = pl.col(TIME).shift(-rate) - pl.col(TIME)
    fast = (pl.col(USER) == pl.col(USER).shift(-rate)) & (later <= HOUR)
    bots = log.events.filter(fast.fill_null(False))[USER].unique()
    return ~log.events[USER].is_in(bots.implode())


def _frequent(column: str, options: Thinning, log: Log) -> pl.Series:
    least = options.min_item_events if column == ITEM else options.min_user_events
    codes = log.events[column].to_numpy()
    return pl.Series((np.bincount(codes) >= least)[codes])


def _all(log: Log) -> pl.Series:
    return pl.repeat(True, log.events.height, dtype=pl.Boolean, eager=True)
