"""Map the column names of logs and catalogs onto ours, and log the mapping."""

from __future__ import annotations

import logging
import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import polars as pl

from llmrec.data.cleaning.table import RawLog
from llmrec.data.columns import ITEM, TIME, TITLE, USER
from llmrec.data.readers.known_names import EVENTS, ITEMS, Aliases, find_column, likely_column, plain_name
from llmrec.data.readers.layout import looks_like_data, no_header
from llmrec.errors import DataError

log = logging.getLogger(__name__)

# Our name to theirs, for columns that are given by name instead of recognised.
Columns = Mapping[str, str]
NONE: Columns = MappingProxyType({})

# What pandas calls an index that it has written and read again.
_INDEX = re.compile(r"(Unnamed: \d+|__index_level_\d+__)$")
# So many columns whose names differ in their numbers alone are a matrix.
_MANY = 10
# A catalog's column of ids with this share of blanks in its first rows is another's; of a log, where pages may be
# seen that are no items, one that is all blank.
_BLANK, _FIRST_ROWS = 0.5, 10_000
_MOST_BEHAVIORS, _BEHAVIORS = 100, r"(?i)view|click|cart|purchase|checkout|order|play|watch|search|like"


def name_events(
    table: pl.DataFrame, *, label: str, columns: Columns = NONE, keep: Collection[str] = ()
) -> pl.DataFrame:
    """Give an event table our column names: as ``columns`` says (ours to theirs), else by well-known names.

    Columns among ``keep`` keep their own name, too, as conditions may say it; ids and times do not. Raises
    DataError without a user or an item column.
    """
    named = _renamed(table, EVENTS, required=(USER, ITEM), label=label, columns=columns)
    ids = event_columns(table.columns, (USER, ITEM, TIME), columns).values()
    lost = [name for name in table.columns if name in keep and name not in (*named.columns, *ids)]
    return named.with_columns(table[name] for name in lost)


def name_log(raw: RawLog, *, columns: Columns = NONE, keep: Collection[str] = ()) -> RawLog:
    """Give a log our column names, see ``name_events``; it remembers the names it had."""
    theirs = event_columns(raw.frame.columns, (TIME,), columns).get(TIME, TIME)
    return replace(
        raw,
        frame=name_events(raw.frame, label=raw.label, columns=columns, keep=keep),
        time_name=raw.time_name if theirs == TIME else theirs,
        time_given=TIME in columns,
        source_columns=raw.source_columns or tuple(raw.frame.columns),
    )


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
    for ours in (USER, ITEM):
        if ours in named and named[ours] is None:
            named[ours] = _by_its_field(ours, EVENTS[ours], names)
    return {ours: theirs for ours, theirs in named.items() if theirs is not None}


def item_column(raw: RawLog, columns: Columns = NONE) -> str | None:
    """Return the column of a log that ``name_events`` takes, or took, for the ids of items."""
    if raw.source_columns:
        return event_columns(raw.source_columns, (ITEM,), columns).get(ITEM)
    names = raw.frame.columns
    if columns.get(ITEM) in names:
        return columns[ITEM]
    named = _item_column(raw.frame, EVENTS[ITEM], names, most_blank=1.0)
    return named or _by_its_field(ITEM, EVENTS[ITEM], names)


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
        others = [name for name in table.columns if name not in mapping]
        theirs = (
            _item_column(table, aliases[ITEM], others, most_blank=_BLANK if TITLE in required else 1.0)
            if ours == ITEM
            else find_column(ours, aliases[ours], others)
        )
        if ours == "behavior" and theirs is not None and not _names_behaviors(table[theirs]):
            continue
        if theirs is None and ours in required:
            theirs = _by_its_field(ours, aliases[ours], others)
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
            raise DataError(_missing(ours, table.columns, aliases, label, option, columns))
    return renamed


def _item_column(
    table: pl.DataFrame, aliases: Sequence[str], names: Sequence[str], *, most_blank: float
) -> str | None:
    """Return the first column with a known name of ids that is not blank, as the ``asin`` of books may be."""
    known: list[str] = []
    while (name := find_column(ITEM, aliases, [other for other in names if other not in known])) is not None:
        cells = table[name].head(_FIRST_ROWS)
        blank = cells.is_null() if cells.dtype.is_nested() else cells.cast(pl.String).fill_null("") == ""
        if name == ITEM or float(blank.mean() or 0) < most_blank:  # type: ignore[arg-type]
            return name
        known.append(name)
    return known[0] if known else None


def _names_behaviors(column: pl.Series) -> bool:
    """Whether a column may be one of behaviors: an event_name may be a concert's."""
    if plain_name(column.name) != "eventname" or column.dtype != pl.String:
        return True
    names = column.head(_FIRST_ROWS).drop_nulls().unique()
    return len(names) <= _MOST_BEHAVIORS and bool(names.str.contains(_BEHAVIORS).any())


def _by_its_field(ours: str, aliases: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the one column whose last part is a known name, or the id of one: properties.product_id, item.id."""
    parts = {name: name.rpartition(".") for name in names if "." in name}
    known = [
        name
        for name, (whole, _, field) in parts.items()
        if find_column(ours, aliases, [whole if field.lower() in ("id", "_id") else field])
    ]
    return known[0] if len(known) == 1 else None


def _missing(ours: str, names: Sequence[str], aliases: Aliases, label: str, option: str, columns: Columns) -> str:
    """Say that a table lacks a column that it needs, and how to name it."""
    if looks_like_data(names):
        return f"{label}: no column '{ours}'; {no_header(names, option)}"
    if ours in columns:
        return (
            f"--column {ours}={columns[ours]}: {label} has no column '{columns[ours]}'; it has {', '.join(names)}"
        )
    numbered = Counter(re.sub(r"\d+", "1", name) for name in names)
    if ours == ITEM and (most := max(numbered.values(), default=0)) >= _MANY:
        return (
            f"{label}: no column '{ours}', and {most} columns such as {names[-1]}: where each is an item, write a "
            "row for each user and item (melt of pandas, unpivot of polars)"
        )
    divided = "" if len(names) != 1 else "say what divides its cells with --delimiter space, or "
    others = [name for name in names if all(find_column(one, aliases[one], [name]) is None for one in aliases)]
    likely = likely_column(ours, others)
    which = f"if it is '{likely}', say --column {ours}={shlex.quote(likely)}; otherwise " if likely else ""
    return (
        f"{label}: no column '{ours}' among its columns {', '.join(names) or '(none)'}; {which}{divided}"
        f"name the one that holds it with --column {ours}=NAME (columns={{...}}), or use a known name: "
        f"{', '.join(aliases[ours][:5])}; where its first line is data already, name all with {option}"
    )


def _free(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)
