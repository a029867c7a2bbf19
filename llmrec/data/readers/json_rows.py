"""Parse lines of JSON as text columns: every line is one object, or its number is named."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from llmrec.errors import DataError

# Names are collected from this many lines of each block, and from the others only where counting says that they
# hold more: reading all of them twice would double the time.
_SAMPLED_LINES = 5000
# A name may be followed by blanks, which counting does not see.
_SPACED = re.compile(rb'"[ \t\r]+:')
SHOWN = 60


def parse_lines(path: Path, block: bytes, first_line: int = 1) -> pl.DataFrame:
    """Return the fields of objects, one a line, as text; ``first_line`` is the number of the block's first line.

    Raises DataError naming the line that is no object of standard JSON.
    """
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
        values = json.loads(line, parse_constant=refuse)
    except UnicodeDecodeError:
        raise DataError(
            f"{path.name}: line {number} is not UTF-8 text; name its encoding, for example --encoding cp1252 "
            "(encoding=...)"
        ) from None
    except (ValueError, RecursionError) as error:
        shown = line[:SHOWN].decode(errors="replace")
        raise DataError(
            f"{path.name}: line {number} is not JSON ({error}): {shown!r}; correct or remove it"
        ) from None
    if not isinstance(values, dict):
        lists = ', as pandas does with to_json(orient="records")' if isinstance(values, list) else ""
        shown = line[:SHOWN].decode(errors="replace")
        raise DataError(f"{path.name}: line {number} is not an object: {shown!r}; write {{...}}{lists}")
    return values


def refuse(constant: str) -> object:
    """Raise ValueError for NaN and infinity, which json.loads would take."""
    raise ValueError(f"{constant} is not standard JSON, write null")
