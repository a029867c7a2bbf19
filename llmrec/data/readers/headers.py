"""The names of a file's columns, without reading the file: to tell what it holds."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from llmrec.data.readers.frames import with_dotted_fields
from llmrec.data.readers.json_tables import rows_of_table
from llmrec.data.readers.layout import layout_of
from llmrec.data.readers.part_names import ending_of
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

_DELIMITED, _PARQUET = (".csv", ".tsv", ".tab", ".txt", ".dat"), (".parquet", ".pq")
_LINES = (".jsonl", ".ndjson", ".json")
# What stands for bytes that are not UTF-8.
_UNREADABLE = "\ufffd"


def column_names_of(path: Path) -> list[str]:
    """Return the names of a table's columns; none of a file that is something else or cannot be read."""
    ending = ending_of(path)
    try:
        if not path.is_file():
            return []
        if ending in _PARQUET:
            return with_dotted_fields(pl.read_parquet(path, n_rows=0)).columns
        if ending in _LINES:
            return _names_of_line(TextFile(path).head())
        return _names_of_delimited(path) if ending in _DELIMITED else []
    except (DataError, OSError, ValueError, RecursionError, pl.exceptions.PolarsError):
        return []


def _names_of_delimited(path: Path) -> list[str]:
    """Return the names of the columns, also above rows in an encoding that is not known here."""
    file = TextFile(path)
    head = file.head().decode(errors="replace")
    names = layout_of(file.with_content(head.encode())).names
    return [] if any(_UNREADABLE in name for name in names) else names


def _names_of_line(head: bytes) -> list[str]:
    """Return the names of the first object, those of objects within it as ``user.id``."""
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    values = json.loads(line)
    if not isinstance(values, dict):
        return []
    table = rows_of_table(values)
    if table is not None:
        return [*table[0]] if table else []
    names = []
    for name, value in values.items():
        names += [f"{name}.{field}" for field in value] if isinstance(value, dict) else [name]
    return names
