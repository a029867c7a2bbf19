"""Take the catalog from the event log itself, where its columns describe the items."""

from __future__ import annotations

import logging

import polars as pl

from llmrec.data.cleaning.table import EventTable, Table
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.readers.column_names import ITEMS, find_column

log = logging.getLogger(__name__)

# Columns that describe an item, not an event, in any log.
_KINDS = ("genres", "category", "categories", "category_name", "category_code")
_DESCRIBE = (*_KINDS, "brand", "artist", "author", "year", "item_summary")
# A log's "name" may be its user's, so only these are titles.
_TITLES = tuple(name for name in ITEMS[TITLE] if name != "name")
# Their cells are an item's text, whatever they are written with: a film may be called 1984.
ITEM_COLUMNS = (*_DESCRIBE, *_TITLES)
# An item's rows must agree this often: in some logs the column of that name is the review's title.
LEAST_AGREEMENT = 0.9


def infer_catalog(events: EventTable) -> tuple[EventTable, Table]:
    """Return the events without the columns that describe items, and the catalog made of these.

    Each item gets its most frequent values. Where no column is a title, the title is the id, which is logged.
    """
    frame = events.frame
    title = find_column(TITLE, _TITLES, frame.columns)
    if title is not None and not _agree(frame, title):
        log.warning(
            "%s: '%s' differs between events of one item, so it is not taken for its title", events.label, title
        )
        title = None
    moved = [column for column in _DESCRIBE if column in frame.columns and column != title]
    items = frame.select(pl.col(ITEM).unique().sort())
    if title is None:
        log.warning(
            "%s: no item table, so an item's title is its id; give --items (items=) for real text", events.label
        )
        items = items.with_columns(events.items.gather(items[ITEM]).alias(TITLE))
    else:
        log.info("%s: the catalog is taken from its column %s", events.label, title)
        moved = [title, *moved]
    for column in moved:
        items = items.join(_most_frequent(frame, column), on=ITEM, how="left", maintain_order="left")
    items = items.with_columns(events.items.gather(items[ITEM]).alias(ITEM))
    if title is not None:
        items = items.rename({title: TITLE}).with_columns(pl.col(TITLE).cast(pl.String))
    return events.with_frame(frame.drop(moved)), Table(items, events.label)


def _agree(events: pl.DataFrame, column: str) -> bool:
    """Whether the events of one item mostly have the same text there."""
    text = events.select(ITEM, pl.col(column).cast(pl.String)).drop_nulls()
    counts = text.group_by(ITEM, column).len()
    modes = counts.group_by(ITEM).agg(mode=pl.col("len").max(), all=pl.col("len").sum()).filter(pl.col("all") > 1)
    return int(modes["mode"].sum()) >= LEAST_AGREEMENT * int(modes["all"].sum())


def _most_frequent(events: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return each item's most frequent value that is not blank; of equally frequent ones the first."""
    values = events.select(ITEM, column).with_row_index("row").drop_nulls()
    if values[column].dtype == pl.String:
        values = values.filter(pl.col(column).str.strip_chars() != "")
    counts = values.group_by(ITEM, column).agg(n=pl.len(), first=pl.col("row").min())
    best = counts.sort(["n", "first"], descending=[True, False]).unique(ITEM, keep="first", maintain_order=True)
    return best.select(ITEM, column)
