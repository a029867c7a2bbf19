"""One row per item, each with text, and events of items in the catalog only."""

from __future__ import annotations

import html
import logging
import re

import polars as pl

from llmrec.data.catalog import without_text
from llmrec.data.cleaning.column_types import settle_type, types_of
from llmrec.data.cleaning.infer_catalog import ITEM_COLUMNS
from llmrec.data.cleaning.missing_words import without_missing_words, without_words
from llmrec.data.cleaning.number_cells import read_numbers, step_name
from llmrec.data.cleaning.table import EventTable, Table
from llmrec.data.columns import ITEM, NUMBERS, TITLE
from llmrec.data.id_codes import encode_ids
from llmrec.data.readers.frames import flat
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_SHOWN = 60
# UTF-8 that was read as cp1252, and what stands for a character that could not be read.
_MOJIBAKE = r"[ÃÂ][\u0080-\u00bf]|â€|\ufffd"
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def one_row_per_item(
    items: Table, seen: pl.Series | None, *, drop_further_rows: bool, keep_missing_words: bool = False
) -> Table:
    """Keep one row per item; only of the items ``seen`` in the events, if these are given.

    Raises DataError where rows of one item differ, unless ``drop_further_rows`` keeps the first.
    """
    if items.frame[ITEM].dtype.is_nested():
        cell = str(items.frame[ITEM].head(1).to_list()[0])[:_SHOWN]
        raise DataError(
            f"{items.label}: {ITEM} holds lists, such as {cell!r}, and a row is one item; write a row for each id"
        )
    frame = flat(items.frame, label=items.label)
    ids = encode_ids(frame[ITEM], label=items.label, raw=True)
    text = ids.text() if keep_missing_words else without_missing_words(ids)
    frame = frame.with_columns(text.alias(ITEM), frame[TITLE].cast(pl.String))
    items = settle_columns(items.with_frame(frame.select(ITEM, TITLE, pl.exclude(ITEM, TITLE))))
    items = items.record(ITEM, note=ids.note) if ids.note else items
    if ids.doubt:
        items = items.record(f"{ITEM}: written in two forms", note=ids.doubt, level=logging.WARNING)
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


def settle_columns(items: Table) -> Table:
    """Settle the types of a catalog's columns; a step names them. Titles, genres, years, ids stay text.

    A price, rating or quantity is a number where most of its cells are; the others are blank then, and counted.
    """
    columns, notes = [], {}
    for column in items.frame.get_columns():
        typed = column if column.name in (ITEM, TITLE) else settle_type(column, text=ITEM_COLUMNS)
        if column.name in NUMBERS and typed.dtype == pl.String:
            typed, notes[step_name(column.name, accepted=False)] = _mostly_numbers(column, items.label)
        if typed.dtype == pl.String and column.name not in (ITEM, TITLE):
            typed, notes[f"{column.name}: words for nothing"] = without_words(typed)
        columns.append(typed)
    items = items.with_frame(pl.DataFrame(columns))
    described = types_of(items.frame.drop(TITLE))
    items = items.record("item columns read as", note=described) if described else items
    for name, note in notes.items():
        if note:
            items = items.record(name, note=note, level=logging.WARNING)
    return items


def _mostly_numbers(column: pl.Series, label: str) -> tuple[pl.Series, str]:
    try:
        cells = read_numbers(column, label=label)
    except DataError:  # 1,234 may be two numbers: no model needs one of an item, so it stays as it is written
        return column, ""
    return (cells.column, cells.note) if cells.column.dtype.is_numeric() else (column, "")


def decode_entities(items: Table) -> Table:
    """Decode HTML entities in titles and other text (``&amp;``, ``&#39;``), once; a step counts the cells."""
    for column in items.frame.get_columns():
        if column.dtype == pl.String and column.name != ITEM:
            items = _decode_column(items, column)
    return _with_mojibake_said(items)


def _with_mojibake_said(items: Table) -> Table:
    """Warn of titles that were read in another encoding than written: CafÃ©."""
    titles = items.frame[TITLE]
    marked = titles.filter(titles.str.contains(_MOJIBAKE).fill_null(False))
    if marked.is_empty():
        return items
    note = f"{len(marked):,} of {len(titles):,}, e.g. {_short(marked[0])}: export them again as UTF-8"
    return items.record("titles in a wrong encoding", note=note, level=logging.WARNING)


def _decode_column(items: Table, column: pl.Series) -> Table:
    marked = column.str.contains(_ENTITY.pattern).fill_null(False).arg_true()
    written = column.gather(marked).to_list()
    decoded = [_ENTITY.sub(_decoded, text) for text in written]
    changed = [n for n, text in enumerate(decoded) if text != written[n]]
    if not changed:
        return items
    first = changed[0]
    where = "titles" if column.name == TITLE else f"column {column.name}"
    note = f"{len(changed):,} of {items.frame.height:,}, e.g. {_short(written[first])} is {_short(decoded[first])}"
    texts = column.clone().scatter(marked, decoded)
    return items.record(f"HTML entities decoded in {where}", note=note).with_frame(
        items.frame.with_columns(texts.alias(column.name))
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _decoded(entity: re.Match[str]) -> str:
    text = html.unescape(entity[0])
    return " " if text.isspace() else text  # a line break or a no-break space


def require_text(items: Table, *, drop_items_without_text: bool) -> Table:
    """Keep items that have a title. Raises DataError where one has none, unless those are to be dropped."""
    _, note = without_words(items.frame[TITLE])
    if note:
        log.warning("%s: titles that say nothing: %s", items.label, note.removesuffix(", are read as blank"))
    titled = items.frame.select(~without_text(pl.col(TITLE))).to_series()
    if not titled.all() and not drop_items_without_text:
        bare = items.frame.filter(~titled)[ITEM]
        raise DataError(
            f"{items.label}: {bare.len()} of {items.frame.height} items have no title, e.g. {bare[0]!r}; "
            "give them one, or pass --drop-items-without-text (drop_items_without_text=True)"
        )
    return items.filter(titled, "item without text")


def require_known_items(
    events: EventTable, items: Table, whole: pl.DataFrame, *, drop_unknown_items: bool
) -> EventTable:
    """Keep events of items in the catalog. Raises DataError for others, unless those are to be dropped.

    ``whole``: the catalog with the items that no event names.
    """
    known = in_catalog(events, items)
    if not known.all() and not drop_unknown_items:
        example = events.items[events.frame.filter(~known)[ITEM][0]]
        raise DataError(
            f"{int((~known).sum())} of {known.len()} interactions name items missing from {items.label}, "
            f"e.g. {example!r}{_where_ids_are(events, whole)}; add them or pass --drop-unknown-items "
            "(drop_unknown_items=True)"
        )
    return events.filter(known, "item not in the catalog")


def _where_ids_are(events: EventTable, catalog: pl.DataFrame) -> str:
    """Say which other column of a catalog has more of the log's items, or that only zeros before them differ."""
    named = events.items.gather(events.frame[ITEM].unique())
    n_known = int(named.is_in(catalog[ITEM].cast(pl.String).drop_nulls().implode()).sum())
    for column in catalog.get_columns():
        if column.name not in (ITEM, TITLE) and not column.dtype.is_nested():
            there = int(named.is_in(column.cast(pl.String).drop_nulls().implode()).sum())
            if there > n_known:
                return f" ({there} of {len(named)} are in its column {column.name}: --column {ITEM}={column.name})"
    bare = catalog[ITEM].cast(pl.String).str.strip_chars_start("0")
    if int(named.str.strip_chars_start("0").is_in(bare.implode()).sum()) == len(named):
        return " (without the zeros before them all are there: write ids alike in both)"
    return ""


def in_catalog(events: EventTable, items: Table) -> pl.Series:
    """Mark the events whose item is in the catalog."""
    known = events.items.is_in(items.frame[ITEM].implode())
    return known.gather(events.frame[ITEM])


def names_of_items(events: EventTable) -> pl.Series:
    """Return the ids of the items that events name, each once."""
    return events.items.gather(events.frame[ITEM].unique().sort())
