"""Map the column names of logs and catalogs onto ours, and log the mapping."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl

from llmrec.data.columns import ITEM, TIME, TITLE, USER
from llmrec.data.readers.layout import looks_like_data, no_header
from llmrec.errors import DataError

log = logging.getLogger(__name__)

Aliases = Mapping[str, Sequence[str]]
# Our name to theirs, for columns that are given by name instead of recognised.
Columns = Mapping[str, str]
NONE: Columns = MappingProxyType({})

# What pandas calls an index that it has written and read again.
_INDEX = re.compile(r"(Unnamed: \d+|__index_level_\d+__)$")
_ITEM_IDS = (
    "item",
    "item_ids",
    "iid",
    "movie_id",
    "parent_asin",  # Amazon 2023: the id its metadata is keyed by, so it goes before asin
    "asin",
    "product_id",
    "product",
    "sku",
    "stock_code",
    "article_id",
    "book_id",
    "track_id",
    "song_id",
    "game_id",
    "business_id",
    "video_id",
    "news_id",
)

# For each of our names, other names for it: earlier ones win. Case, "_", "-", "." and spaces do not matter.
EVENTS: Aliases = {
    USER: ("user", "uid", "customer_id", "customer", "reviewer_id", "visitor_id", "member_id"),
    ITEM: _ITEM_IDS,
    TIME: (
        "time",
        "ts",
        "unix_review_time",
        "unix_time",
        "event_time",
        "datetime",
        "date_time",
        "date",
        "created_at",
        "invoice_date",
        "event_date",
        "order_date",
        "purchase_date",
        "review_date",
        "review_time",
        "timestamps",
    ),
    "rating": ("ratings", "overall", "stars"),
    "behavior": ("behaviour", "behavior_type", "event_type", "event", "action", "action_type"),
    "price": ("unit_price",),
    "quantity": ("qty",),
    "session_id": ("session", "invoice_no", "invoice", "order_id"),
}
ITEMS: Aliases = {
    ITEM: (*_ITEM_IDS, "id"),
    TITLE: ("movie_title", "item_title", "product_title", "name", "item_name", "product_name", "description"),
    "genres": ("genre", "class", "categories", "category"),
    "year": ("release_year",),
}


def name_events(table: pl.DataFrame, *, label: str, columns: Columns = NONE) -> pl.DataFrame:
    """Give an event table our column names: as ``columns`` says (ours to theirs), else by well-known names.

    Raises DataError without a user or an item column.
    """
    return _renamed(table, EVENTS, required=(USER, ITEM), label=label, columns=columns)


def name_items(table: pl.DataFrame, *, label: str, columns: Columns = NONE) -> pl.DataFrame:
    """Give an item table our column names. Raises DataError without an id or a title column."""
    return _renamed(table, ITEMS, required=(ITEM, TITLE), label=label, columns=columns)


def name_some_items(table: pl.DataFrame, *, label: str) -> pl.DataFrame:
    """Give our column names to a table of changed items, which has some of a catalog's columns.

    Raises DataError without an id column.
    """
    return _renamed(table, ITEMS, required=(ITEM,), label=label, columns=NONE)


def id_columns(names: Sequence[str], columns: Columns = NONE) -> list[str]:
    """Return which columns of an event table hold its ids, by the same rules as ``name_events``."""
    return list(event_columns(names, (USER, ITEM), columns).values())


def event_columns(names: Sequence[str], wanted: Sequence[str], columns: Columns = NONE) -> dict[str, str]:
    """Return the columns of an event table by our names, as ``name_events`` gives them."""
    named = {
        ours: columns[ours] if columns.get(ours) in names else find_column(ours, EVENTS[ours], names)
        for ours in wanted
    }
    return {ours: theirs for ours, theirs in named.items() if theirs is not None}


def check_columns(columns: Columns, tables: Mapping[str, Sequence[str]]) -> None:
    """Raise DataError for a named column that is in no table. ``tables``: the columns of each by its label."""
    for ours, theirs in columns.items():
        if not any(theirs in names for names in tables.values()):
            shown = "; ".join(f"{label} has {', '.join(names)}" for label, names in tables.items())
            raise DataError(f"--column {ours}={theirs}: no table has a column '{theirs}'; {shown}")


def _renamed(
    table: pl.DataFrame, aliases: Aliases, *, required: Sequence[str], label: str, columns: Columns
) -> pl.DataFrame:
    index = [name for name in table.columns if _INDEX.match(name) and name not in columns.values()]
    if index:
        log.info("%s: the index of a data frame is left out: %s", label, ", ".join(index))
        table = table.drop(index)
    mapping = {theirs: ours for ours, theirs in columns.items() if theirs in table.columns}
    for ours in aliases:
        if ours in mapping.values():
            continue
        theirs = find_column(ours, aliases[ours], [name for name in table.columns if name not in mapping])
        if theirs is not None:
            mapping[theirs] = ours
    mapping = {theirs: ours for theirs, ours in mapping.items() if theirs != ours}
    if mapping:
        shown = ", ".join(f"{theirs} -> {ours}" for theirs, ours in mapping.items())
        log.info("%s: columns %s", label, shown)
    # A column that has our name makes room for the one that was named instead.
    covered = [ours for ours in mapping.values() if ours in table.columns and ours not in mapping]
    option = "--items-header" if TITLE in required else "--header"
    renamed = table.rename({ours: _free(f"{ours}_was", table.columns) for ours in covered} | mapping)
    for ours in required:
        if ours not in renamed.columns:
            if looks_like_data(table.columns):
                raise DataError(f"{label}: no column '{ours}'; {no_header(table.columns, option)}")
            if ours in columns:
                raise DataError(
                    f"--column {ours}={columns[ours]}: {label} has no column '{columns[ours]}'; it has "
                    f"{', '.join(table.columns)}"
                )
            divided = "" if len(table.columns) != 1 else "say what divides its cells with --delimiter space, or "
            raise DataError(
                f"{label}: no column '{ours}' among its columns {', '.join(table.columns) or '(none)'}; {divided}"
                f"name the one that holds it with --column {ours}=NAME (columns={{...}}), or use a known name: "
                f"{', '.join(aliases[ours][:5])}; where its first line is data already, name all with {option}"
            )
    return renamed


def _free(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


def find_column(ours: str, aliases: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the column that is meant by ``ours``: the exact name, then its aliases in their order."""
    if ours in columns:
        return ours
    known = {_plain(column): column for column in reversed(columns)}
    return next((known[key] for key in map(_plain, (ours, *aliases)) if key in known), None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).lower()
