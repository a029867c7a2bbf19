"""Tell the event log and the catalog in a folder, as data sets are handed out."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llmrec.data.readers.by_columns import by_columns, has_titles, is_log
from llmrec.data.readers.headers import column_names_of
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_EVENTS = ("interactions", "events", "ratings", "reviews", "log", "inter", "u.data", "behaviors", "transactions")
_ITEMS = ("items", "movies", "meta", "metadata", "catalog", "products", "item", "u.item")
# So many parts of a table are enough to see that they have the same columns.
_COMPARED = 20
_SKIPPED = ("readme", "license", "_success")


@dataclass(frozen=True)
class LogFiles:
    """The files of a folder: one event log, or several of the same kind, and at most one catalog."""

    events: tuple[Path, ...]
    items: Path | None


def is_one_table(folder: Path, *, endings: Sequence[str]) -> bool:
    """Whether a folder of Parquet files is one table: no file says otherwise by its name or columns.

    Files of other formats say so where one is a catalog: statistics, a sample in CSV or notes lie beside many.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not _plain(path).startswith(_SKIPPED))
    parquet = [path for path in files if _ending(path) == ".parquet"]
    others = [path for path in files if _ending(path) in endings and path not in parquet]
    if parquet and any(_named(path, _ITEMS) for path in others):
        return False
    names = [column_names_of(path) for path in others]
    if parquet and (
        any(map(has_titles, names)) or (any(map(is_log, names)) and not is_log(column_names_of(parquet[0])))
    ):
        return False
    if any(_named(path, ("items", "events", "interactions")) for path in parquet):
        return False
    columns = {tuple(sorted(column_names_of(path))) for path in parquet[:_COMPARED]}
    if len(columns) > 1 or not any(folder.rglob("*.parquet")):
        return False
    if others:
        log.warning("%s: not read: %s", folder, ", ".join(path.name for path in others))
    return True


def files_of_folder(folder: Path, *, endings: tuple[str, ...]) -> LogFiles:
    """Tell the event log and the catalog by their names. ``endings``: those of the formats that can be read.

    Where no name says which it is, their columns do, and otherwise every readable file is an event log. Raises
    DataError for a folder with two candidates, or none.
    """
    present = sorted(path for path in folder.iterdir() if path.is_file() and not _plain(path).startswith(_SKIPPED))
    readable = [path for path in present if _plain(path) in ("u.data", "u.item") or _ending(path) in endings]
    items = [path for path in readable if _named(path, _ITEMS)]
    events = [path for path in readable if _named(path, _EVENTS)]
    for kind, files in (("event logs", events), ("catalogs", items)):
        if len(files) > 1:
            raise DataError(
                f"{folder} holds {len(files)} {kind}, {files[0].name} and {files[1].name}; name one file"
            )
    others = [path for path in readable if path not in items]
    chosen = [*(events or others)]
    if len(chosen) > 1 or (others and not items):
        chosen, items = by_columns(folder, chosen, items, readable)
    elif unread := [path.name for path in others if path not in chosen]:
        log.warning("%s: not read: %s", folder, ", ".join(unread))
    if not chosen:
        raise DataError(
            f"{folder} is a folder without an event log (a .parquet, .csv or .jsonl file); name the file"
        )
    if items:
        log.info("%s: events from %s, items from %s", folder, ", ".join(p.name for p in chosen), items[0].name)
    return LogFiles(tuple(chosen), items[0] if items else None)


def stacked(tables: dict[Path, pl.DataFrame]) -> pl.DataFrame:
    """Put the tables of several files together.

    Files whose names differ only in digits are parts of one log. Others are separate logs, whose ids mean nothing
    to each other: ids are written ``amazon:17``, and a column ``source`` names the file.
    """
    names = {path: path.name.split(".")[0] for path in tables}
    if len({re.sub(r"\d+", "0", name) for name in names.values()}) == 1:
        return pl.concat(list(tables.values()), how="diagonal_relaxed")
    log.info(
        "separate logs, each with its ids: %s; ids are written %s:ID",
        ", ".join(names.values()),
        next(iter(names.values())),
    )
    marked = []
    for path, table in tables.items():
        ids = [column for column in ("user_id", "item_id", "session_id") if column in table.columns]
        written = [_prefixed(column, names[path]) for column in ids]
        marked.append(table.with_columns(*written, source=pl.lit(names[path])))
    return pl.concat(marked, how="diagonal_relaxed")


def _prefixed(column: str, name: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String)
    present = pl.when(text.str.strip_chars() != "").then(text)  # a blank id stays missing
    return pl.concat_str(pl.lit(f"{name}:"), present).alias(column)


def _plain(path: Path) -> str:
    return path.name.lower()


def _ending(path: Path) -> str:
    endings = [ending.lower() for ending in path.suffixes if ending.lower() not in (".gz", ".zst", ".bz2")]
    return endings[-1] if endings else ""


def _named(path: Path, names: tuple[str, ...]) -> bool:
    """Whether a file has one of these names, whatever its ending; a further word may follow a ``-`` or ``_``."""
    name = _plain(path)
    stem = name if name in names else re.split(r"[.]", name)[0]
    return stem in names or re.split(r"[-_]", stem)[0] in names
