"""One row per item, each with text, and events of items in the catalog only."""

from __future__ import annotations

import html
import logging
import re

import polars as pl

from llmrec.data.cleaning.missing_words import without_missing_words
from llmrec.data.cleaning.table import EventTable, Table
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.id_codes import encode_ids
from llmrec.data.readers.frames import flat
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def one_row_per_item(
    items: Table, seen: pl.Series | None, *, drop_further_rows: bool, keep_missing_words: bool = False
) -> Table:
    """Keep one row per item; only of the items ``seen`` in the events, if these are given.

    Raises DataError where rows of one item differ, unless ``drop_further_rows`` keeps the first.
    """
    frame = flat(items.frame, label=items.label)
    ids = encode_ids(frame[ITEM], label=items.label)
    text = ids.text() if keep_missing_words else without_missing_words(ids)
    frame = frame.with_columns(text.alias(ITEM), frame[TITLE].cast(pl.String))
    items = items.with_frame(frame.select(ITEM, TITLE, pl.exclude(ITEM, TITLE)))
    items = items.filter(items.frame[ITEM].is_not_null(), "missing item id")
    first = items.frame.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    items = items.filter(first, "exact duplicate")
    if seen is not None:
        items = items.filter(items.frame[ITEM].is_in(seen.implode()), "no event names it")
    if drop_further_rows:
        items = items.filter(items.frame[ITEM].is_first_distinct(), "further row of the same item")
    duplicated = items.frame.filter(items.frame[ITEM].is_duplicated())[ITEM]
    if duplicated.len():
        item, count = duplicated[0], int((duplicated == duplicated[0]).sum())
        raise DataError(
            f"{items.label}: item_id {item!r} has {count} rows that differ; keep one row per item, "
            "or pass --drop-further-item-rows (drop_further_item_rows=True)"
        )
    return items


def decode_entities(items: Table) -> Table:
    """Decode HTML entities in titles (``&amp;``, ``&#39;``), once; the step counts the titles."""
    marked = items.frame[TITLE].str.contains(_ENTITY.pattern).fill_null(False).arg_true()
    if not len(marked):
        return items
    written = items.frame[TITLE].gather(marked).to_list()
    decoded = [_ENTITY.sub(_decoded, title) for title in written]
    changed = [number for number, title in enumerate(decoded) if title != written[number]]
    if not changed:
        return items
    first = changed[0]
    note = f"{len(changed):,} of {items.frame.height:,}, e.g. {written[first]!r} is {decoded[first]!r}"
    log.info("%s: HTML entities decoded in titles: %s", items.label, note)
    titles = items.frame[TITLE].clone().scatter(marked, decoded)
    return items.record("HTML entities decoded in titles", note=note).with_frame(
        items.frame.with_columns(titles.alias(TITLE))
    )


def _decoded(entity: re.Match[str]) -> str:
    text = html.unescape(entity[0])
    return " " if text.isspace() else text  # a line break or a no-break space


def require_text(items: Table, *, drop_items_without_text: bool) -> Table:
    """Keep items that have a title. Raises DataError where one has none, unless those are to be dropped."""
    titled = (items.frame[TITLE].str.strip_chars() != "").fill_null(False)
    if not titled.all() and not drop_items_without_text:
        bare = items.frame.filter(~titled)[ITEM]
        raise DataError(
            f"{items.label}: {bare.len()} of {items.frame.height} items have no title, e.g. {bare[0]!r}; "
            "give them one, or pass --drop-items-without-text (drop_items_without_text=True)"
        )
    return items.filter(titled, "item without text")


def require_known_items(events: EventTable, items: Table, *, drop_unknown_items: bool) -> EventTable:
    """Keep events of items in the catalog. Raises DataError for others, unless those are to be dropped."""
    known = in_catalog(events, items)
    if not known.all() and not drop_unknown_items:
        example = events.items[events.frame.filter(~known)[ITEM][0]]
        raise DataError(
            f"{int((~known).sum())} of {known.len()} interactions name items missing from {items.label}, "
            f"e.g. {example!r}; add them or pass --drop-unknown-items (drop_unknown_items=True)"
        )
    return events.filter(known, "item not in the catalog")


def in_catalog(events: EventTable, items: Table) -> pl.Series:
    """Mark the events whose item is in the catalog."""
    known = events.items.is_in(items.frame[ITEM].implode())
    return known.gather(events.frame[ITEM])


def names_of_items(events: EventTable) -> pl.Series:
    """Return the ids of the items that events name, each once."""
    return events.items.gather(events.frame[ITEM].unique().sort())
