"""Where progress is drawn: a terminal, a notebook that can, else nowhere, and which columns have room there."""

from __future__ import annotations

import importlib.util

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TimeElapsedColumn

# With fewer characters a line has no room for a bar and the time that has passed.
NARROW = 60
# Where no bar is drawn, a line says so often how far something is.
LINE_EVERY_SECONDS = 20.0


def bar_console() -> Console:
    """Return where bars are drawn, standard error; a notebook without ipywidgets is no terminal."""
    console = Console(stderr=True)
    if console.is_jupyter and importlib.util.find_spec("ipywidgets") is None:
        return Console(stderr=True, force_jupyter=False, force_terminal=False)
    return console


def fitting(columns: list[ProgressColumn], console: Console) -> list[ProgressColumn]:
    """Return the columns that a line has room for."""
    if console.width >= NARROW:
        return columns
    return [column for column in columns if not isinstance(column, BarColumn | TimeElapsedColumn)]
