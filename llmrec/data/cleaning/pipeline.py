"""Turn two raw tables into events and items that every later step can trust, saying what was removed."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import polars as pl

from llmrec.data.cleaning.behaviors import scale_columns, with_strength
from llmrec.data.cleaning.conditions import Condition, columns_of, require_condition
from llmrec.data.cleaning.events import code_events, settle_order
from llmrec.data.cleaning.filters import FilterOptions, apply_filters, count_impossible
from llmrec.data.cleaning.infer_catalog import ITEM_COLUMNS, infer_catalog
from llmrec.data.cleaning.items import (
    decode_entities,
    in_catalog,
    names_of_items,
    one_row_per_item,
    require_known_items,
    require_text,
)
from llmrec.data.cleaning.log_times import TimeOptions
from llmrec.data.cleaning.missing_words import drop_missing_words, warn_of_outsized
from llmrec.data.cleaning.number_cells import require_numbers
from llmrec.data.cleaning.positives import DEFAULT, PositiveTargets, settle_positives
from llmrec.data.cleaning.table import EventTable, RawLog, Step, Table
from llmrec.data.cleaning.written_lists import read_written_lists
from llmrec.data.columns import ITEM, USER
from llmrec.data.id_codes import EncodedIds, encode_used
from llmrec.errors import DataError

log = logging.getLogger(__name__)


class CleaningOptions(TypedDict, total=False):
    """What ``clean`` does beyond what it always does; each is off unless given.

    ``drop_unknown_items``: events whose item is not in the catalog; refused otherwise, as are the next two.
    ``drop_items_without_text``; ``drop_bad_times``: events whose time is missing or cannot be read.
    ``blank_bad_numbers``: prices, ratings, quantities that are no numbers are blank, also where needed.
    ``time_format``: how times are written, ``order_by_rows``: that none are, ``order_at_random``: that rows are in
    no order either; see ``log_times.log_times``.
    ``drop_further_item_rows``: all but the first of the rows of one item that differ; refused otherwise.
    ``keep_unseen_items``: items that no event names.
    ``keep_missing_words``: events whose user or item is a word for nothing (NA, null, nan); dropped otherwise.
    ``drop_impossible``: times after tomorrow, a negative price or quantity unless it is a return.
    ``drop_where``: events that meet a condition: a polars expression, or the text of an SQL one.
    ``drop_repeats``: an event with the user, item and behavior of the one before.
    ``max_events_per_hour``: all events of users who had more than that within any hour.
    ``min_user_events``, ``min_item_events``: rare ones, again and again (both at k: the k-core).
    ``scale``: columns to scale; ``strengths``: of behaviors with another name; see ``behaviors``.
    ``positive``: which events are positive targets, ``all`` or a condition; see ``positives.settle_positives``.
    """

    drop_unknown_items: bool
    drop_items_without_text: bool
    drop_bad_times: bool
    blank_bad_numbers: bool
    time_format: str | None
    order_by_rows: bool
    order_at_random: bool
    drop_further_item_rows: bool
    keep_unseen_items: bool
    keep_missing_words: bool
    drop_impossible: bool
    drop_where: Sequence[Condition]
    drop_repeats: bool
    max_events_per_hour: int | None
    min_user_events: int
    min_item_events: int
    scale: Sequence[str]
    strengths: Mapping[str, int]
    positive: Condition


# Of what does not filter; FilterOptions has the rest.
_OFF: CleaningOptions = {
    "drop_unknown_items": False,
    "drop_items_without_text": False,
    "drop_bad_times": False,
    "blank_bad_numbers": False,
    "time_format": None,
    "order_by_rows": False,
    "order_at_random": False,
    "drop_further_item_rows": False,
    "keep_unseen_items": False,
    "keep_missing_words": False,
    "scale": (),
    "strengths": {},
    "positive": DEFAULT,
}


def named_columns(options: Mapping[str, Any]) -> set[str]:
    """Return the columns of events that cleaning options name, in conditions or to be scaled."""
    conditions = [*FilterOptions.of(options).drop_where, options.get("positive", DEFAULT)]
    names = {
        name for condition in conditions if isinstance(condition, Condition) for name in columns_of(condition)
    }
    return names | set(options.get("scale", ()))


def check_options(options: Iterable[str], known_options: type = CleaningOptions) -> None:
    """Stop at an unknown option before any file is read."""
    known = list(known_options.__annotations__)
    for option in options:
        if option not in known:
            close = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the options are {', '.join(known)}"
            raise DataError(f"there is no cleaning option '{option}'; {hint}")


@dataclass(frozen=True)
class Cleaned:
    """What ``clean`` returns: sorted events, the items they name, and the record of every step.

    ``ids`` are the users and the items of the events, encoded. ``steps``: those of the events, then of the items.
    """

    events: pl.DataFrame
    ids: tuple[EncodedIds, EncodedIds]
    items: pl.DataFrame
    steps: tuple[Step, ...]
    order_only: bool
    positive: PositiveTargets


def clean(
    read_events: Callable[[], RawLog],
    read_items: Callable[[], Table] | None,
    *,
    label: str = "events",
    **options: Unpack[CleaningOptions],
) -> Cleaned:
    """Check and clean two tables that have our column names.

    ``read_events`` returns the raw events, whose text is let go as soon as it is coded; ``label`` is what messages
    call them. ``read_items`` returns the catalog, and is asked next; without it the catalog is taken from the log.
    Events come out sorted by user, then time, ties in the log's order; ``timestamp`` is Unix seconds, Int64, or
    Float64 where the log has parts of seconds, exact to the microsecond, or 0, 1, 2, ... per user in a log without
    times. Always removed: events without ids, exact duplicates (where there are times), items that no event names.
    Blanks around ids are taken off. Every step is a ``Step`` and is logged. Raises DataError with the option that
    would let the data pass.
    """
    chosen: CleaningOptions = {**_OFF, **options}
    filters = FilterOptions.of(chosen)
    described = () if read_items is not None else ITEM_COLUMNS
    events = code_events(
        read_events,
        label,
        drop_bad_times=chosen["drop_bad_times"],
        text=described,
        time_options=TimeOptions(chosen["time_format"], chosen["order_by_rows"], chosen["order_at_random"]),
        blank_bad_numbers=chosen["blank_bad_numbers"],
    )
    if not chosen["keep_missing_words"]:
        events = drop_missing_words(events)
    n_events = events.frame.height
    events, items = _with_catalog(events, read_items and read_items(), chosen)
    items = decode_entities(read_written_lists(items))
    items = require_text(items, drop_items_without_text=chosen["drop_items_without_text"])
    events = events.filter(in_catalog(events, items), "item without text")
    _warn_of_impossible(events, filters)
    events = apply_filters(events, filters)
    _require_events(events)
    events = warn_of_outsized(events)
    events = settle_order(events)
    if not chosen["keep_unseen_items"] and events.frame.height < n_events:
        named = items.frame[ITEM].is_in(names_of_items(events).implode())
        items = items.filter(named, "no event is left that names it")
    events = with_strength(events, chosen["strengths"])
    events = scale_columns(events, chosen["scale"])
    ids = encode_used(events.frame[USER], events.users), encode_used(events.frame[ITEM], events.items)
    text = events.frame.with_columns(column.text() for column in ids)
    events, text, positive = _with_positives(events, text, chosen["positive"])
    return Cleaned(text, ids, items.frame, (*events.steps, *items.steps), events.order_only, positive)


def _with_positives(
    events: EventTable, text: pl.DataFrame, rule: Condition
) -> tuple[EventTable, pl.DataFrame, PositiveTargets]:
    """Mark the positive targets among the events, whose ids are text in ``text``, and record it."""
    require_condition(rule, "positive")
    require_numbers(events.steps, dict.fromkeys(columns_of(rule), f"--positive {rule}"), label=events.label)
    marked, positive = settle_positives(text, rule, label=events.label)
    if str(positive):
        events = events.record("positive targets", note=str(positive))
    return events, marked, positive


def _with_catalog(events: EventTable, items: Table | None, options: CleaningOptions) -> tuple[EventTable, Table]:
    """Return the events whose items are in the catalog, and the catalog, given or taken from the log."""
    if items is None:
        return infer_catalog(events, named_columns(options))
    seen = None if options["keep_unseen_items"] else names_of_items(events)
    whole = items.frame
    items = one_row_per_item(
        items,
        seen,
        drop_further_rows=options["drop_further_item_rows"],
        keep_missing_words=options["keep_missing_words"],
    )
    return require_known_items(events, items, whole, drop_unknown_items=options["drop_unknown_items"]), items


def _warn_of_impossible(events: EventTable, filters: FilterOptions) -> None:
    count = 0 if filters.drop_impossible else count_impossible(events)
    if count:
        log.warning("%s: %d events have impossible values; drop them with --drop-impossible", events.label, count)


def _require_events(events: EventTable) -> None:
    if events.frame.is_empty():
        removed = "; ".join(f"{step.name}: {step.removed}" for step in events.steps if step.removed)
        raise DataError(f"{events.label}: no event is left after cleaning ({removed or 'there was none'})")
