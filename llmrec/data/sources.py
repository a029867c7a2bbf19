"""Read event and item files of the formats people have."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def read_events(path: Path) -> pl.DataFrame:
    """Read an event file."""
    raise NotImplementedError


def read_items(path: Path) -> pl.DataFrame:
    """Read an item file."""
    raise NotImplementedError


def stem(path: Path) -> str:
    """The file's name without its endings."""
    return path.name.split(".", 1)[0]
