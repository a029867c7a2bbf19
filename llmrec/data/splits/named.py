"""Ways to cut by name, with their defaults: what ``--split`` and a protocol mean by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from llmrec.data.dataset import Dataset
from llmrec.data.splits.split import Split
from llmrec.errors import DataError

ROLLING = "rolling"
_WINDOW = re.compile(r"rolling-(\d+)-of-(\d+)")

# By the name that the splits carry. Rolling is several cuts, each by a name of its own.
NAMED_SPLITS: Mapping[str, Callable[[Dataset], Split]] = {
    "leave-last-out": Split.leave_last_out,
    "leave-last-k": Split.leave_last_k,
    "global-time": Split.global_time,
    "user-disjoint": Split.user_disjoint,
    "cold-items": Split.cold_items,
    "per-session": Split.per_session,
}
HELD_OUT = (
    "leave-last-out (each user's last event, and the one before for validation), leave-last-k (the last 5, and "
    "5 before), global-time (the last tenth of all events, and a tenth before), rolling-1-of-3 to rolling-3-of-3 "
    "(a window of time, and the one before), user-disjoint (a tenth of the users, and a tenth more), cold-items "
    "(a tenth of the items, and a tenth more), per-session (each user's last session, and the one before)"
)


def cut(name: str, data: Dataset) -> Split:
    """Cut with defaults. ``name``: one of NAMED_SPLITS, or ``rolling-N-of-M``. Raises DataError for another."""
    window = _WINDOW.fullmatch(name)
    if window is not None:
        number, windows = map(int, window.groups())
        if 1 <= number <= windows:
            return Split.rolling(data, windows=windows)[number - 1]
    if name not in NAMED_SPLITS:
        known = ", ".join((*NAMED_SPLITS, "rolling-1-of-3 (first of three)"))
        raise DataError(f"no way to cut is called '{name}' and no folder either; there are {known}")
    return NAMED_SPLITS[name](data)


def find(given: str, data: Dataset) -> Split:
    """Cut by a name, or as a folder written by ``llmrec data split --out`` says."""
    folder = Path(given)
    return Split.load(folder, data) if given not in NAMED_SPLITS and folder.is_dir() else cut(given, data)


def strategy_of(name: str) -> str:
    """Return the way a split was cut, by its name: ``rolling-1-of-3`` is ``rolling``."""
    return ROLLING if _WINDOW.fullmatch(name) else name
