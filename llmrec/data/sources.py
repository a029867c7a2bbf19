"""Read event and item files: CSV or TSV (also .gz, .zst), Parquet files and folders, RecBole atomic files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from llmrec.data.delimited import read_atomic, read_delimited
from llmrec.data.naming import name_events, name_items
from llmrec.errors import DataError

_PACKED = (".gz", ".zst", ".bz2")


def read_events(path: Path) -> pl.DataFrame:
    """Read a log with our column names. Raises DataError naming the file and the line or column."""
    return name_events(_read(path), where=path.name)


def read_items(path: Path) -> pl.DataFrame:
    """Read a catalog with our column names. Raises DataError naming the file and the line or column."""
    return name_items(_read(path), where=path.name)


def stem(path: Path) -> str:
    """Return the file's name without its endings: ``events.csv.gz`` gives ``events``."""
    return path.name.split(".")[0] or path.name


def _read(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    endings = [ending.lower() for ending in path.suffixes if ending.lower() not in _PACKED]
    ending = "folder" if path.is_dir() else (endings or [""])[-1]
    reader = _READERS.get(ending)
    if reader is None:
        known = ", ".join(name for name in _READERS if name != "folder")
        raise DataError(f"{path}: cannot tell the format from its name; known endings: {known} (also with .gz)")
    try:
        table = reader(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if table.is_empty():
        raise DataError(f"{path} has a header but no rows; export it again with its data")
    return table


def _read_parquet(path: Path) -> pl.DataFrame:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} is a folder without a .parquet file; name the file to read")
    try:
        return pl.read_parquet(files, hive_partitioning=path.is_dir())
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as Parquet: {reason}; write it again") from error


# A format is a function from a path to a table of raw columns; the ending of the name picks it.
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".tab": read_delimited,
    ".txt": read_delimited,
    ".inter": read_atomic,
    ".item": read_atomic,
    ".user": read_atomic,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    "folder": _read_parquet,
}
