"""Tell the event log and the catalog in a folder by their columns, where the names of files do not."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from llmrec.data.columns import ITEM, TITLE, USER
from llmrec.data.readers.headers import column_names_of
from llmrec.data.readers.known_names import EVENTS, ITEMS, find_column, plain_name

log = logging.getLogger(__name__)


def by_columns(
    folder: Path, events: Sequence[Path], items: Sequence[Path], readable: Sequence[Path]
) -> tuple[list[Path], list[Path]]:
    """Return the logs and the catalog of a folder, ``events`` and ``items`` where columns say nothing else.

    Of several ``events`` those without users or items are left out, which is logged. Where ``items`` is empty, the
    one other file of ``readable`` that has titles for the log's item ids is the catalog.
    """
    names = {path: column_names_of(path) for path in readable}
    logs = [path for path in events if is_log(names[path])]
    if not logs or not all(names[path] for path in events):
        _say_unread(folder, [path for path in readable if path not in (*events, *items)])
        return [*events], [*items]
    others = [path for path in readable if path not in (*logs, *items)]
    if not items:
        ids = [name for name in names[logs[0]] if _item_column([name])]
        items = [path for path in others if any(_is_catalog(path, names[path], column) for column in ids)]
    if len(items) > 1:
        shown = ", ".join(path.name for path in items)
        log.warning("%s: %s may each be the catalog; name one with --items (items=)", folder, shown)
        items = []
    _say_unread(folder, [path for path in others if path not in items])
    return logs, [*items]


def _say_unread(folder: Path, paths: Sequence[Path]) -> None:
    if paths:
        log.warning("%s: not read: %s", folder, ", ".join(path.name for path in paths))


def _item_column(names: Sequence[str]) -> str:
    return find_column(ITEM, EVENTS[ITEM], names) or ""


def is_log(names: Sequence[str]) -> bool:
    """Whether a table's columns are a log's: users and items."""
    return find_column(USER, EVENTS[USER], names) is not None and _item_column(names) != ""


def has_titles(names: Sequence[str]) -> bool:
    """Whether a table's columns are a catalog's: ids of items and titles, and no users."""
    has_users = find_column(USER, EVENTS[USER], names) is not None
    return not has_users and all(find_column(ours, ITEMS[ours], names) is not None for ours in (ITEM, TITLE))


def _is_catalog(path: Path, names: Sequence[str], column: str) -> bool:
    """Whether a table has titles and the log's item ids: by the same name, or as the id of a file called so."""
    title = find_column(TITLE, ITEMS[TITLE], names)
    if title is None or find_column(USER, EVENTS[USER], names) is not None:
        return False
    kind = re.sub(r"(ids?|no|number|code|asin|mbid)$", "", plain_name(column))
    plain = [plain_name(name) for name in names]
    return plain_name(column) in plain or ("id" in plain and len(kind) > 2 and kind in plain_name(path.name))
