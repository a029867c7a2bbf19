"""Read JSON lines strictly: every line is one object and becomes one row, or its number is named."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import polars as pl

from llmrec.data.columns import TIME
from llmrec.data.readers.column_names import EVENTS, find_column
from llmrec.data.readers.frames import flat_lists
from llmrec.data.readers.python_literals import as_json, is_python_literal
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 25
# Names are collected from this many lines of each block, and from the others only where counting says that they
# hold more: reading all of them twice would double the time.
_SAMPLED_LINES = 5000
# A name may be followed by blanks, which counting does not see.
_SPACED = re.compile(rb'"[ \t\r]+:')
_SHOWN = 60
# An object, a list of objects, or an empty list, which says nothing either.
_OBJECTS = r"^\[?\{|^\[\]$"
_WRAPPED = (
    r'^\{\s*"\$(?:oid|date|uuid|numberLong|numberInt|numberDouble|numberDecimal)"\s*:\s*'
    r'("[^"\\]*"|\d+|\{[^{}]*\})\s*\}$'
)


def read_json_lines(
    path: Path, *, encoding: str = "", lists: Callable[[list[str]], Collection[str]] = lambda names: ()
) -> pl.DataFrame:
    """Read objects, one a line, as text columns; lists of plain values become text joined by ", ".

    Python dictionaries are read as the objects they write, one array of objects as its lines. Of the column names
    ``lists`` picks those that may hold lists of items: where there are some, all lists stay as lists of text, and
    those picked that hold objects as the text of JSON. Other objects inside objects are left out, which is logged.
    Raises DataError naming the line that is no object.
    """
    tables, lines = [], 0
    file = _lines_of_array(TextFile.of(path, encoding))
    for block in _objects(path, _blocks(file)):
        table = _parse(path, block, lines + 1)
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
    table = pl.concat(tables, how="diagonal")
    return _plain(table, path.name, lists(table.columns))


def _lines_of_array(file: TextFile) -> TextFile:
    """Return a file that is one array of objects with an object a line, another as it is."""
    if not file.head().removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return file
    try:
        values = json.loads(file.read(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return file  # the line that is no object is named later
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        return file
    log.info("%s: is one array of %d objects", file.path.name, len(values))
    return file.with_content("".join(json.dumps(value) + "\n" for value in values).encode())


def _objects(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks as JSON, where their first line is a Python dictionary."""
    python = None
    lines = 0
    for block in blocks:
        if python is None:
            python = _is_python(next(line for line in block.split(b"\n") if line.strip()))
            if python:
                log.info("%s: its lines are Python dictionaries, read as JSON", path.name)
        yield _rewritten(path, block, lines + 1) if python else block
        lines += block.count(b"\n")


def _is_python(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return is_python_literal(line)
    return False


def _rewritten(path: Path, block: bytes, first_line: int) -> bytes:
    written = []
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        try:
            written.append(as_json(line) if line.strip() else line)
        except ValueError as error:
            shown = line[:_SHOWN].decode(errors="replace")
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


def _parse(path: Path, block: bytes, first_line: int) -> pl.DataFrame:
    names: dict[str, None] = {}
    for number, line in enumerate(block.split(b"\n", _SAMPLED_LINES)[:_SAMPLED_LINES], start=first_line):
        if line.strip():
            names.update(dict.fromkeys(_object(path, line, number)))
    if not names:
        raise DataError(f"{path.name}: its first objects are empty; export it again with its data")
    if _has_further_names(block, names):
        names.update(dict.fromkeys(_all_names(path, block, first_line)))
    try:
        return pl.read_ndjson(block, schema=dict.fromkeys(names, pl.String()))
    except pl.exceptions.PolarsError as error:
        for number, line in enumerate(block.split(b"\n"), start=first_line):
            if line.strip():
                _object(path, line, number)
        raise DataError(f"{path.name}: {str(error).splitlines()[0]}; write one plain object a line") from error


def _has_further_names(block: bytes, names: Iterable[str]) -> bool:
    """Whether there may be a name that is not among ``names``: each name in a block ends in a quote and a colon.

    Never wrongly false; wrongly true where text or inner objects hold a quote and a colon.
    """
    known = sum(block.count(f'"{name}":'.encode()) for name in names)
    blanks = b'" ' in block or b'"\t' in block or b'"\r' in block
    return block.count(b'":') != known or (blanks and _SPACED.search(block) is not None)


def _all_names(path: Path, block: bytes, first_line: int) -> list[str]:
    """Return the names of all objects of a block."""
    try:
        return pl.scan_ndjson(io.BytesIO(block), infer_schema_length=None).collect_schema().names()
    except pl.exceptions.PolarsError:  # values too different for one type, or a line that is no object
        lines = enumerate(block.split(b"\n"), start=first_line)
        return [name for number, line in lines if line.strip() for name in _object(path, line, number)]


def _object(path: Path, line: bytes, number: int) -> dict[str, object]:
    """Read one line. Raises DataError unless it is an object of standard JSON."""
    try:
        values = json.loads(line, parse_constant=_refuse)
    except UnicodeDecodeError:
        raise DataError(
            f"{path.name}: line {number} is not UTF-8 text; name its encoding, for example --encoding cp1252 "
            "(encoding=...)"
        ) from None
    except (ValueError, RecursionError) as error:
        shown = line[:_SHOWN].decode(errors="replace")
        raise DataError(
            f"{path.name}: line {number} is not JSON ({error}): {shown!r}; correct or remove it"
        ) from None
    if not isinstance(values, dict):
        raise DataError(f"{path.name}: line {number} is not an object: {line[:_SHOWN].decode()!r}; write {{...}}")
    return values


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not standard JSON, write null")


def _plain(table: pl.DataFrame, name: str, lists: Collection[str]) -> pl.DataFrame:
    """Turn columns of JSON lists into text, where ``lists`` names none, and leave columns of JSON objects out."""
    columns: list[pl.Series | None] = []
    for written in table.get_columns():
        column = _unwrapped(written)
        text = column.drop_nulls()
        listed = text.len() and text.str.starts_with("[").all()
        if listed and column.name in lists and text.str.contains(r"^\[\s*\{").any():
            columns.append(column)
        elif text.len() and text.str.contains(_OBJECTS).all() and not _is_time_of_event(column.name, lists):
            fields = ", ".join(dict.fromkeys(re.findall(r'"(\w+)" *:', text[0])))
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


def _unwrapped(column: pl.Series) -> pl.Series:
    """Return the values of objects as MongoDB exports them: {"$oid": "5f"}, {"$date": {"$numberLong": "16"}}."""
    while (
        column.drop_nulls().head(1).str.contains(_WRAPPED).any()
        and column.drop_nulls().str.contains(_WRAPPED).all()
    ):
        column = column.str.extract(_WRAPPED, 1).str.strip_prefix('"').str.strip_suffix('"')
    return column


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
