"""Take the catalog from the event log itself, where its columns describe the items."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

import polars as pl

from llmrec.data.cleaning.column_types import settle_type
from llmrec.data.cleaning.item_texts import LEAST_AGREEMENT, agreement, are_words, describe_items
from llmrec.data.cleaning.table import EventTable, Table
from llmrec.data.columns import BEHAVIOR, ITEM, SESSION, TIME, TITLE, USER
from llmrec.data.readers.known_names import ITEMS, find_column, plain_name

log = logging.getLogger(__name__)

# Columns that describe an item, not an event, in any log.
_KINDS = ("genres", "category", "categories", "category_name", "category_code")
_DESCRIBE = (*_KINDS, "brand", "artist", "author", "year", "item_summary")
# These may be the user's name or an artist's, so only what the events of an item have in common makes them titles.
_UNCLEAR = ("name", "nom", "nombre", "artist_name", "business_name", "job_title")
_TITLES = tuple(name for name in ITEMS[TITLE] if name not in _UNCLEAR)
_NAMES = re.compile(r"(name|title|titel|titre|título|titulo|nombre|nom|名称|标题)$", re.I)
# Names of who makes or sells an item, or of its kind, are titles where they tell nearly all items from each other.
_OF_SEVERAL = re.compile(
    r"artist|auth?or|auteur|seller|vendor|merchant|shop|store|brand|publisher|developer|manufacturer|studio|director"
    r"|host|category|city|country|region",
    re.I,
)
_MANY, _NEARLY_ALL = 0.5, 0.9
# Their cells are an item's text, whatever they are written with: a film may be called 1984.
ITEM_COLUMNS = (*_DESCRIBE, *_TITLES)
# The catalog's names for columns of a log, by their plain names.
_PLAIN = {plain_name(name): name for name in _DESCRIBE}
_OURS = {
    **{plain_name(alias): "category" for alias in ITEMS["genres"]},
    **{plain_name(alias): ours for ours in ("brand", "artist", "author") for alias in ITEMS[ours]},
    **_PLAIN,
}
_OF_EVENTS = {USER, ITEM, TIME, BEHAVIOR, SESSION, "source"}


def infer_catalog(events: EventTable, named: Collection[str] = ()) -> tuple[EventTable, Table]:
    """Return the events without the columns that describe items, and the catalog made of these.

    These are the columns called so, and those of text that the events of an item share more than chance explains.
    Each item gets its most frequent values. Where no column is a title, the title is the id, which is logged.
    ``named``: columns that the events keep all the same, as a condition on events needs them.
    """
    frame = events.frame
    described = describe_items(frame, [name for name in frame.columns if name not in _OF_EVENTS])
    title = _title(events, described)
    moved = {
        name: _OURS.get(plain_name(name.rpartition(".")[2]))
        for name in [*_called(events), *described]
        if name != title
    }
    items = frame.select(pl.col(ITEM).unique().sort())
    if title is None:
        items = items.with_columns(events.items.gather(items[ITEM]).alias(TITLE))
        _say_titles(events.label, items[TITLE])
    else:
        log.info("%s: the catalog is taken from its column %s", events.label, title)
    titles = [] if title is None else [title]
    for column in [*titles, *moved]:
        items = items.join(_most_frequent(frame, column), on=ITEM, how="left", maintain_order="left")
    if moved:
        log.info("%s: these columns describe items: %s", events.label, ", ".join(moved))
    items = items.with_columns(events.items.gather(items[ITEM]).alias(ITEM)).rename(_renamed(moved))
    if title is not None:
        items = items.rename({title: TITLE}).with_columns(pl.col(TITLE).cast(pl.String))
    frame = frame.drop(name for name in [*titles, *moved] if name not in named)
    texts = {plain_name(name) for name in ITEM_COLUMNS}
    stay = [name for name in frame.columns if plain_name(name) in texts and name not in ITEM_COLUMNS]
    frame = frame.with_columns(settle_type(frame[name]) for name in stay)
    return events.with_frame(frame), Table(items, events.label)


def _called(events: EventTable) -> list[str]:
    """Return the columns that are called as those that describe items: in another case, if an item's events agree.

    A Year in another case may be an event's where no item has several.
    """
    columns = events.frame.columns
    called = {_PLAIN.get(plain_name(name)): name for name in reversed(columns)}
    names = [name if name in columns else called[name] for name in _DESCRIBE if name in called]
    differ = [name for name in names if name not in _DESCRIBE and agreement(events.frame, name) < LEAST_AGREEMENT]
    if differ:
        log.warning(
            "%s: %s: differs between events of one item, so it stays in the log", events.label, ", ".join(differ)
        )
    return [name for name in names if name not in differ and (name in _DESCRIBE or plain_name(name) != "year")]


def _title(events: EventTable, described: list[str]) -> str | None:
    """Return the column of titles: one called so, else one of names that tells most items from each other."""
    frame = events.frame
    title = find_column(TITLE, _TITLES, frame.columns)
    if title is not None and agreement(frame, title) >= LEAST_AGREEMENT:
        return title
    if title is not None:
        log.warning(
            "%s: '%s' differs between events of one item, so it is not taken for its title", events.label, title
        )
    names = {name: frame[name].n_unique() for name in described if _NAMES.search(name) and name != title}
    n_items = frame[ITEM].n_unique()
    names = {
        name: count
        for name, count in names.items()
        if count >= n_items * (_NEARLY_ALL if _OF_SEVERAL.search(name) else _MANY)
    }
    return max(names, key=names.__getitem__, default=None)


def _say_titles(label: str, titles: pl.Series) -> None:
    """Say that ids are the titles, and where they are no words, how to name others."""
    if are_words(titles):
        log.info("%s: the ids are titles, such as %r", label, titles[0])
        return
    log.warning(
        "%s: no item table, so an item's title is its id; give --items (items=) for real text, or name the column "
        "that holds it with --column title=NAME",
        label,
    )


def _renamed(moved: dict[str, str | None]) -> dict[str, str]:
    """Return the catalog's names of columns, each once and none that another column has."""
    names: dict[str, str] = {}
    for name, ours in moved.items():
        if ours is not None and ours not in moved and ours not in names.values():
            names[name] = ours
    return names


def _most_frequent(events: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return each item's most frequent value that is not blank; of equally frequent ones the first."""
    values = events.select(ITEM, column).with_row_index("row").drop_nulls()
    if values[column].dtype == pl.String:
        values = values.filter(pl.col(column).str.strip_chars() != "")
    counts = values.group_by(ITEM, column).agg(n=pl.len(), first=pl.col("row").min())
    best = counts.sort(["n", "first"], descending=[True, False]).unique(ITEM, keep="first", maintain_order=True)
    return best.select(ITEM, column)
