"""Tell the event log and the catalog in a folder, as data sets are handed out."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmrec.data.readers.by_columns import by_columns, has_titles, is_log
from llmrec.data.readers.headers import column_names_of
from llmrec.data.readers.log_parts import ONE_OR_SEPARATE, FilesOption, in_order, shown_names
from llmrec.data.readers.part_names import are_parts, behaviors_of_names, ending_of, without_ending
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_EVENTS = ("interactions", "events", "ratings", "reviews", "log", "inter", "u.data", "behaviors", "transactions")
_ITEMS = ("items", "movies", "meta", "metadata", "catalog", "products", "item", "u.item")
# Their endings say nothing.
_NAMED = ("u.data", "u.item")
# So many parts of a table are enough to see that they have the same columns.
_COMPARED = 20
_SKIPPED = ("readme", "license", "_success", ".")


@dataclass(frozen=True)
class LogFiles:
    """The files of a folder: one event log, or several of the same kind, and at most one catalog."""

    events: tuple[Path, ...]
    items: Path | None


def is_one_table(folder: Path, *, endings: Sequence[str], files: FilesOption = "auto") -> bool:
    """Whether a folder of Parquet files is one table: no file says otherwise by its name or columns.

    Files of other formats say so where one is a catalog: statistics, a sample in CSV or notes lie beside many.
    """
    present = _present(folder)
    parquet = [path for path in present if ending_of(path) == ".parquet"]
    if files == "separate" or behaviors_of_names(parquet) or not (files == "one" or are_parts(parquet)):
        return False
    others = [path for path in present if ending_of(path) in endings and path not in parquet]
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


def files_of_folder(
    folder: Path, *, endings: tuple[str, ...], given: Path | None = None, files: FilesOption = "auto"
) -> LogFiles:
    """Tell the event log and the catalog by their names. ``endings``: those of the formats that can be read.

    Where no name says which it is, their columns do, and otherwise every readable file is an event log. ``given``
    is a catalog that is named, ``files`` says whether several logs are one. Raises DataError for a folder with two
    candidates, or none.
    """
    present = [path for path in _present(folder) if given is None or path.resolve() != given.resolve()]
    readable = [path for path in present if _plain(path) in _NAMED or ending_of(path) in endings]
    catalogs = [path for path in readable if _named(path, _ITEMS)]
    items = catalogs if given is None else [given]
    events = [path for path in readable if _named(path, _EVENTS)] if files == "auto" else []
    _refuse_several(folder, events, items)
    others = [path for path in readable if path not in catalogs]
    chosen = [*(events or others)]
    if len(chosen) > 1 or (others and not items):
        chosen, items = by_columns(folder, chosen, items, readable)
    elif unread := [path.name for path in others if path not in chosen]:
        log.warning("%s: not read: %s", folder, ", ".join(unread))
    below = _below(folder, endings)
    if not chosen:
        instead = f", such as {below[0]}" if below else ""
        raise DataError(
            f"{folder} is a folder without an event log (a .parquet, .csv or .jsonl file); name the file{instead}"
        )
    if below:
        log.warning("%s: not read: %s", folder, shown_names(below))
    chosen = in_order(chosen)
    if items:
        log.info("%s: events from %s, items from %s", folder, ", ".join(p.name for p in chosen), items[0].name)
    return LogFiles(tuple(chosen), items[0] if items else None)


def _refuse_several(folder: Path, events: Sequence[Path], items: Sequence[Path]) -> None:
    """Raise DataError for two catalogs, and for two logs that are no parts of one by their names."""
    if len(items) > 1:
        raise DataError(
            f"{folder} holds {len(items)} catalogs, {items[0].name} and {items[1].name}; name one file"
        )
    if len(events) > 1 and not are_parts(events):
        raise DataError(
            f"{folder} holds {len(events)} event logs, {events[0].name} and {events[1].name}; name one file, or "
            f"say {ONE_OR_SEPARATE} {without_ending(events[0])}:7"
        )


def _present(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not _plain(path).startswith(_SKIPPED))


def _below(folder: Path, endings: Sequence[str]) -> list[str]:
    """Return the readable files of subfolders, relative to the folder."""
    readable = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        paths = [Path(parent) / name for name in sorted(names) if not name.lower().startswith(_SKIPPED)]
        readable += [
            str(path.relative_to(folder))
            for path in paths
            if path.parent != folder and (_plain(path) in _NAMED or ending_of(path) in endings)
        ]
    return readable


def _plain(path: Path) -> str:
    return path.name.lower()


def _named(path: Path, names: tuple[str, ...]) -> bool:
    """Whether a file has one of these names, whatever its ending; a further word may follow a ``-`` or ``_``.

    Of RecBole's files the ending is one: ``ml-100k.inter``.
    """
    if ending_of(path) in (".inter", ".item") and ending_of(path)[1:] in names:
        return True
    name = _plain(path)
    stem = name if name in names else re.split(r"[.]", name)[0]
    return stem in names or re.split(r"[-_]", stem)[0] in names
