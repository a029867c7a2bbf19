"""Read JSON lines strictly: every line is one object and becomes one row, or its number is named."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from llmrec.data.columns import TIME
from llmrec.data.readers.frames import flat_lists
from llmrec.data.readers.json_objects import dotted_columns
from llmrec.data.readers.json_rows import SHOWN, parse_lines, refuse
from llmrec.data.readers.json_tables import rows_of_table
from llmrec.data.readers.known_names import EVENTS, find_column
from llmrec.data.readers.named_lists import joined_lists
from llmrec.data.readers.python_literals import as_json, is_python_literal
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 25
_SEARCHED_BYTES = 1 << 16
_SHOWN_FIELDS = 8
# An object, a list of objects, or an empty list, which says nothing either.
_OBJECTS = r"^\[?\{|^\[\]$"


def read_json_lines(
    path: Path, *, encoding: str = "", lists: Callable[[list[str]], Collection[str]] = lambda names: ()
) -> pl.DataFrame:
    """Read objects, one a line, as text columns; lists of plain values become text joined by ", ".

    Python dictionaries are read as the objects they write, one array of objects as its lines. Of the column names
    ``lists`` picks those that may hold lists of items: where there are some, all lists stay as lists of text, and
    those picked that hold objects as the text of JSON. Fields of objects inside objects are columns such as
    user.id; lists of objects without names, and objects of very many fields, are left out, which is logged.
    Raises DataError naming the line that is no object.
    """
    tables, lines = [], 0
    file = _lines_of_array(TextFile.of(path, encoding))
    for block in _objects(path, _blocks(file)):
        table = parse_lines(path, block, lines + 1)
        filled = sum(1 for line in block.split(b"\n") if line.strip())
        if table.height != filled:
            raise DataError(
                f"{path.name}: {filled} lines gave {table.height} rows near line {lines + 1}; "
                "write one object a line"
            )
        lines += block.count(b"\n")
        tables.append(table)
    if not tables:
        raise DataError(f"{path} is empty; export it again with its data")
    table = dotted_columns(pl.concat(tables, how="diagonal"), path)
    return _plain(table, path.name, lists(table.columns))


def _lines_of_array(file: TextFile) -> TextFile:
    """Return a file that is one array of objects, or one object with such an array or a table, as its lines."""
    head = file.head().removeprefix(b"\xef\xbb\xbf").lstrip()
    first, more, _ = head.partition(b"\n")
    one_line = head.startswith(b"{") and _is_one_line(file)
    goes_on = more and head.startswith(b"{") and not (_is_json(first) or is_python_literal(first))
    if not (head.startswith(b"[") or one_line or goes_on):
        return file
    try:
        values = json.loads(file.read(), parse_constant=refuse)
    except (ValueError, RecursionError):
        return file  # the line that is no object is named later
    table = rows_of_table(values) if isinstance(values, dict) else None
    # The only line of a file may be one event that holds an array.
    records = _records(values, file.path.name) if table is None and not one_line else table
    if records is None:
        return file
    kind = "array" if table is None else "table"
    log.info("%s: is one %s of %d objects", file.path.name, kind, len(records))
    return file.with_content("".join(json.dumps(value) + "\n" for value in records).encode())


def _records(values: list[Any] | dict[str, Any], name: str) -> list[Any] | None:
    """Return the objects of an array, or of the only one that an object holds; None where there is none."""
    if isinstance(values, list):
        return values if all(isinstance(value, dict) for value in values) else None
    arrays = {field: value for field, value in values.items() if isinstance(value, list) and _records(value, name)}
    if len(arrays) != 1:
        return None
    (field, records), *_ = arrays.items()
    others = ", ".join(other for other in values if other != field)
    log.info("%s: the objects of '%s' are read%s", name, field, f", not {others}" if others else "")
    return [*records]


def _is_one_line(file: TextFile) -> bool:
    """Whether nothing follows the first line."""
    ended = False
    for number, block in enumerate(file.blocks(_SEARCHED_BYTES)):
        text = block.removeprefix(b"\xef\xbb\xbf").lstrip() if number == 0 else block
        _, end, rest = (b"", b"\n", text) if ended else text.partition(b"\n")
        ended = bool(end)
        if rest.strip():
            return False
    return True


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _objects(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks as JSON, where their first line is a Python dictionary."""
    python = None
    lines = 0
    for block in blocks:
        if python is None:
            first = next(line for line in block.split(b"\n") if line.strip())
            python = not _is_json(first) and is_python_literal(first)
            if python:
                log.info("%s: its lines are Python dictionaries, read as JSON", path.name)
        yield _rewritten(path, block, lines + 1) if python else block
        lines += block.count(b"\n")


def _rewritten(path: Path, block: bytes, first_line: int) -> bytes:
    written = []
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        try:
            written.append(as_json(line) if line.strip() else line)
        except ValueError as error:
            shown = line[:SHOWN].decode(errors="replace")
            raise DataError(
                f"{path.name}: line {number} is no Python dictionary as the first is ({error}): {shown!r}; "
                "correct or remove it"
            ) from None
    return b"\n".join(written)


def _blocks(file: TextFile) -> Iterator[bytes]:
    """Yield the file in blocks that end at a line's end, without a byte-order mark."""
    with file.open() as stream:
        rest = bytes(stream.read(3)).removeprefix(b"\xef\xbb\xbf")
        while more := stream.read(_BLOCK_BYTES):
            block = rest + bytes(more)
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if block[:end].strip():
                yield block[:end]
        if rest.strip():
            yield rest + b"\n"


def _plain(table: pl.DataFrame, name: str, lists: Collection[str]) -> pl.DataFrame:
    """Turn columns of JSON lists into text, where ``lists`` names none, and leave columns of JSON objects out."""
    columns: list[pl.Series | None] = []
    for column in table.get_columns():
        text = column.drop_nulls()
        listed = text.len() and text.str.starts_with("[").all()
        if listed and column.name in lists and text.str.contains(r"^\[\s*\{").any():
            columns.append(column)
        elif text.len() and text.str.contains(_OBJECTS).all() and not _is_time_of_event(column.name, lists):
            named = joined_lists(column)
            if named is not None and text.str.contains("[{]").any():
                columns.append(named)
                continue
            names = sorted(set(re.findall(r'"(\w[^"\\]*)" *:', text[0])))
            fields = ", ".join(names[:_SHOWN_FIELDS]) + (", ..." if len(names) > _SHOWN_FIELDS else "")
            shown = f" ({fields}); write what is needed of them as columns" if fields else ", not text"
            log.warning("%s: column '%s' is left out: it holds objects%s", name, column.name, shown)
        elif listed:
            decoded = _decoded(column, name)
            columns.append(decoded if lists or decoded is None else _joined(decoded))
        else:
            columns.append(column)
    return pl.DataFrame([column for column in columns if column is not None])


def _is_time_of_event(name: str, lists: Collection[str]) -> bool:
    """Whether a column has the name of the times of a log: these are refused later, and never left out."""
    return name in lists and find_column(TIME, EVENTS[TIME], [name]) is not None


def _decoded(column: pl.Series, name: str) -> pl.Series | None:
    inner = pl.List(pl.String)
    of_lists = column.str.contains(r"^\[\s*\[").any()
    try:
        return column.str.json_decode(pl.List(inner) if of_lists else inner)
    except pl.exceptions.PolarsError:
        log.warning("%s: column '%s' is left out: it holds lists of other things than text", name, column.name)
        return None


def _joined(lists: pl.Series) -> pl.Series:
    inner = lists.dtype.inner if isinstance(lists.dtype, pl.List) else None
    plain = flat_lists(lists) if isinstance(inner, pl.List) else lists
    return plain.list.join(", ", ignore_nulls=True)
