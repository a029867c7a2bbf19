"""Put the tables of several files together: parts of one log, or separate logs with ids of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from llmrec.data.cleaning.missing_words import is_missing_word
from llmrec.data.cleaning.table import Table
from llmrec.data.columns import BEHAVIOR, ITEM, SESSION, USER
from llmrec.data.ids import BLANKS
from llmrec.data.readers.part_names import are_parts, behaviors_of_names, part_name, without_ending
from llmrec.errors import DataError

log = logging.getLogger(__name__)

# "auto": by names and ids, "one": they are parts of one log, "separate": each is a log with ids of its own.
FilesOption = Literal["auto", "one", "separate"]
ONE_OR_SEPARATE = (
    "--files one (files='one') for one log, ids as they are, or --files separate (files='separate') for logs of "
    "their own, with ids such as"
)
_KINDS = {USER: "user ids", ITEM: "item ids"}
_SHOWN = 8


def check_files(option: str) -> None:
    """Raise DataError for another word than those of FilesOption."""
    if option not in get_args(FilesOption):
        raise DataError(f"--files {option}: write one of {', '.join(get_args(FilesOption))}")


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Return files as their parts follow each other: by month or number, train before test, views first."""
    return sorted(paths, key=lambda path: (part_name(path).order, path.name))


def stacked(tables: Mapping[Path, pl.DataFrame], *, files: FilesOption = "auto") -> pl.DataFrame:
    """Put the tables of several files together, in the order of their parts, by our column names.

    One log: as ``files`` says, or where names differ only in what tells parts from each other, or where no user
    and no item is in several files; its ids stay as they are, and names that say several behaviors become the
    column ``behavior`` of files without one. Separate logs: ids are written ``amazon:17``, and a column ``source``
    names the file. Raises DataError where files share ids and neither their names nor ``files`` say what they are.
    """
    paths = in_order(tables)
    if files == "separate":
        return _separate({path: tables[path] for path in paths})
    if files == "auto" and not are_parts(paths):
        _refuse_shared_ids({path: tables[path] for path in paths})
    behaviors = {
        path: kind for path, kind in behaviors_of_names(paths).items() if BEHAVIOR not in tables[path].columns
    }
    names = [f"{path.name} (behavior {behaviors[path]})" if path in behaviors else path.name for path in paths]
    log.info("%s: one log of %d files: %s", paths[0].parent.name, len(paths), shown_names(names))
    named = [
        tables[path].with_columns(pl.lit(behaviors[path]).alias(BEHAVIOR)) if path in behaviors else tables[path]
        for path in paths
    ]
    return pl.concat(named, how="diagonal_relaxed")


def require_prefixed_ids(items: Table, paths: Sequence[Path], *, files: FilesOption) -> None:
    """Raise DataError where separate logs have ids such as ``amazon:17`` and no column of the catalog has."""
    if files != "separate" or len(paths) < 2:
        return
    texts = [column for column in items.frame.get_columns() if column.dtype == pl.String]
    if any(column.str.starts_with(f"{without_ending(path)}:").any() for column in texts for path in paths):
        return
    raise DataError(
        f"{items.label}: --files separate writes item ids as '{without_ending(paths[0])}:ID', and no item of the "
        "catalog has such an id; write its ids so, or read the files as one log: --files one (files='one')"
    )


def shown_names(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _separate(tables: Mapping[Path, pl.DataFrame]) -> pl.DataFrame:
    names = {path: without_ending(path) for path in tables}
    log.info(
        "separate logs, each with its ids: %s; ids are written %s:ID",
        shown_names([*names.values()]),
        next(iter(names.values())),
    )
    marked = []
    for path, table in tables.items():
        ids = [column for column in (USER, ITEM, SESSION) if column in table.columns]
        written = [_prefixed(column, names[path]) for column in ids]
        marked.append(table.with_columns(*written, source=pl.lit(names[path])))
    return pl.concat(marked, how="diagonal_relaxed")


def _prefixed(column: str, name: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String)
    present = pl.when(text.str.strip_chars() != "").then(text)  # a blank id stays missing
    return pl.concat_str(pl.lit(f"{name}:"), present).alias(column)


def _refuse_shared_ids(tables: Mapping[Path, pl.DataFrame]) -> None:
    """Raise DataError where a user or an item is in several files: the same one, or another of the same number."""
    shared = {column: _shared(column, tables) for column in _KINDS}
    if all(ids.is_empty() for ids in shared.values()):
        return
    paths = [*tables]
    counts = " and ".join(f"{kind} ({len(shared[column]):,})" for column, kind in _KINDS.items())
    column = next(column for column in _KINDS if len(shared[column]))
    example = shared[column].sort()[0]
    raise DataError(
        f"{paths[0].parent.name}: {shown_names([path.name for path in paths])} have {counts} in common, e.g. "
        f"{column} '{example}', and their names do not say whether these are the same: say "
        f"{ONE_OR_SEPARATE} {without_ending(paths[0])}:{example}"
    )


def _shared(column: str, tables: Mapping[Path, pl.DataFrame]) -> pl.Series:
    """Return the ids that are in several tables."""
    each = [_ids(table[column]) for table in tables.values()]
    ids = pl.concat(each)
    return ids.filter(ids.is_duplicated()).unique()


def _ids(column: pl.Series) -> pl.Series:
    """Return the different ids of a column as text, without words for nothing."""
    values = column.explode() if column.dtype.is_nested() else column
    text = values.cast(pl.String).str.strip_chars(BLANKS).drop_nulls().unique().to_frame("id")
    return text.filter(~is_missing_word(pl.col("id"))).to_series()
