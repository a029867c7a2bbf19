"""Decide what quotes mean in a delimited file, and refuse those that would swallow rows."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from llmrec.data.readers.layout import Layout, cells_of
from llmrec.data.readers.quote_scan import (
    QuoteCounts,
    count_quotes,
    lenient_quotes,
    strict_quotes,
    whole_rows,
)
from llmrec.data.readers.text_files import BLOCK_BYTES, TextFile
from llmrec.errors import DataError

log = logging.getLogger(__name__)

# "cells": they enclose cells, "plain": they are characters like others, "auto": as the file shows.
QuoteOption = Literal["auto", "cells", "plain"]
_PLAIN = "--quotes plain (quotes='plain') reads quotes as characters"
_CELLS = "--quotes cells (quotes='cells') has them enclose cells"
_SHOWN = 60
_SAMPLED_ROWS = 1000
_LEAST_ROWS = 20
_NUMBER = re.compile(r"\s*[-+]?[\d.,:/TZ -]*\d[\d.,:/TZ -]*\s*")


@dataclass(frozen=True)
class Quoting:
    """How to read quotes: ``enclosing`` cells or not, ``broken`` cells or none, and the ``rows`` if counted.

    ``file`` is the file to read, where backslashes before quotes are replaced.
    """

    file: TextFile
    enclosing: bool
    broken: bool = False
    rows: int | None = None


def quoting_of(file: TextFile, layout: Layout, option: QuoteOption = "auto") -> Quoting:
    """Read the whole file for quotes. Without any, this is one pass over its bytes.

    Raises DataError naming the row whose quote is never closed, closes within its cell, or encloses rows.
    """
    if option not in get_args(QuoteOption):
        raise DataError(f"--quotes {option}: write one of {', '.join(get_args(QuoteOption))}")
    if option == "plain" or not any(b'"' in block for block in file.blocks()):
        return Quoting(file, enclosing=False)
    strict = _strict(file, layout)
    if strict is not None:
        return _decided(file, layout, strict, option)
    text = b"".join(file.blocks())
    start, rows = text[: layout.offset], text[layout.offset :]
    for repaired, said in _REPAIRS:
        repair = repaired(rows, layout)
        if repair is None:
            continue
        changed, counts = repair
        quoting = _decided(file.with_content(start + changed), layout, counts, option)
        if quoting.enclosing:
            log.info("%s: %s", file.path.name, said)
            return quoting
    quotes, failed = lenient_quotes(rows, layout.delimiter)
    if failed is None:
        return _decided(file, layout, count_quotes(rows, quotes, layout.delimiter, len(layout.names)), option)
    if layout.delimiter == "\t" and option == "auto" and _plain_fits(rows, layout):
        return _as_characters(file)
    raise _misplaced(file, rows, failed, layout)


def _strict(file: TextFile, layout: Layout) -> QuoteCounts | None:
    """Count block by block; None where a quote neither opens nor closes a cell nor is doubled."""
    total, rest, ahead = QuoteCounts(), b"", layout.offset
    for block in file.blocks():
        text, ahead = rest + block[ahead:], max(ahead - len(block), 0)
        size = whole_rows(text)
        rest = text[size:]
        if len(rest) > BLOCK_BYTES or not _added(total, text[:size], layout):
            return None
    return total if _added(total, rest, layout) else None


def _added(total: QuoteCounts, text: bytes, layout: Layout) -> bool:
    quotes = strict_quotes(text, layout.delimiter) if text else None
    if quotes is not None:
        total.add(count_quotes(text, quotes, layout.delimiter, len(layout.names)))
    return quotes is not None or not text


def _without_backslashes(rows: bytes, layout: Layout) -> tuple[bytes, QuoteCounts] | None:
    """Return the rows with ``\\"`` as a doubled quote, and their counts, where all quotes are right then."""
    if b'\\"' not in rows:
        return None
    pairs = re.compile(rb'\\(["\\])')
    # Both bytes of a pair are hidden: the quotes that are left must open and close cells, around each pair.
    hidden = pairs.sub(b"\x00\x00", rows)
    quotes = strict_quotes(hidden, layout.delimiter)
    escaped = np.array([pair.start() for pair in pairs.finditer(rows) if pair[1] == b'"'], np.int64)
    if quotes is None or not (np.searchsorted(quotes, escaped) % 2 == 1).all():
        return None
    changed = pairs.sub(lambda pair: b'""' if pair[1] == b'"' else b"\\", rows)
    quotes = strict_quotes(changed, layout.delimiter)
    return (
        None if quotes is None else (changed, count_quotes(changed, quotes, layout.delimiter, len(layout.names)))
    )


def _without_blanks(rows: bytes, layout: Layout) -> tuple[bytes, QuoteCounts] | None:
    """Return the rows without the blanks before quotes that open, and their counts, where all are right then.

    Only where a blank follows each delimiter of the first line, too: else it belongs to its cell, with the quotes.
    """
    if layout.first.count(layout.delimiter) != layout.first.count(f"{layout.delimiter} "):
        return None
    mark = re.escape(layout.delimiter.encode())
    changed = re.sub(rb"(^|[\r\n" + mark + rb"]) +(?=\")", rb"\1", rows)
    quotes = None if changed == rows else strict_quotes(changed, layout.delimiter)
    return (
        None if quotes is None else (changed, count_quotes(changed, quotes, layout.delimiter, len(layout.names)))
    )


# What other writers do with quotes, undone, and what is said of it.
_REPAIRS = (
    (_without_backslashes, 'quotes within cells stand after a backslash: \\" is read as "'),
    (_without_blanks, "blanks between delimiters and quotes are left out"),
)


def _decided(file: TextFile, layout: Layout, counts: QuoteCounts, option: QuoteOption) -> Quoting:
    """Choose between quotes that enclose cells and plain ones where the former can be read."""
    name = file.path.name
    if not counts.opened:
        return Quoting(file, enclosing=False)
    if option == "auto":
        suspects = [pair for pair in counts.suspects if _like_rows(pair[1], file, layout)]
        if layout.delimiter == "\t" and counts.plain and (counts.breaks or not _consistent(counts, layout)):
            return _as_characters(file)
        if suspects:
            row, lines = suspects[0]
            raise DataError(
                f"{name}: data row {row}: a quote encloses {len(lines)} lines that look like rows: "
                f"{_short(lines[0])}; close or double it, or say what quotes are: {_PLAIN}, {_CELLS}"
            )
    return Quoting(file, enclosing=True, broken=counts.breaks > 0, rows=counts.rows)


def _consistent(counts: QuoteCounts, layout: Layout) -> bool:
    """Whether quotes are where a program puts them: around what needs them, or around whole columns."""
    whole = counts.opened == counts.rows * len(layout.names)
    columns = counts.rows > 2 and counts.opened % counts.rows == 0
    return not counts.needless or whole or columns or (layout.header and layout.first.startswith('"'))


def _as_characters(file: TextFile) -> Quoting:
    log.info("%s: quotes are read as plain characters; --quotes cells has them enclose cells", file.path.name)
    return Quoting(file, enclosing=False)


def _plain_fits(rows: bytes, layout: Layout) -> bool:
    return count_quotes(rows, np.zeros(0, np.int64), layout.delimiter, len(layout.names)).plain


def _like_rows(lines: list[str], file: TextFile, layout: Layout) -> bool:
    """Whether lines look like the file's rows: numbers where those have numbers, one word where those have one."""
    sample = _sampled(file, layout, set(lines))
    columns = [[cell for cell in column if cell] for column in zip(*sample, strict=True)]
    for line in lines:
        for cell, column in zip(line.split(layout.delimiter), columns, strict=False):
            text = cell.strip('" ')
            numbers = column and all(map(_NUMBER.fullmatch, column))
            if text and numbers and not _NUMBER.fullmatch(text):
                return False
            if " " in text and len(column) >= _LEAST_ROWS and not any(" " in known for known in column):
                return False
    return True


def _sampled(file: TextFile, layout: Layout, without: set[str]) -> list[list[str]]:
    """Return the cells of the first lines that are rows as they stand, but for ``without``."""
    head = file.head()[layout.offset :].decode(errors="replace")
    lines = [line for line in head.splitlines()[:_SAMPLED_ROWS] if line not in without]
    rows = [cells_of(line, layout.delimiter) for line in lines if line.count('"') % 2 == 0]
    return [cells for cells in rows if len(cells) == len(layout.names)]


def _misplaced(file: TextFile, rows: bytes, failed: tuple[int, int], layout: Layout) -> DataError:
    """Return the error for a quote that does not close where its cell ends."""
    opened, closed = failed
    quotes, _ = lenient_quotes(rows[:opened], layout.delimiter)
    row = count_quotes(rows[:opened] + b"x", quotes, layout.delimiter, len(layout.names)).rows
    start = rows[opened + 1 : opened + 1 + _SHOWN].decode(errors="replace").splitlines() or [""]
    reason = "is never closed" if closed == len(rows) else "does not close at the end of its cell"
    return DataError(
        f"{file.path.name}: data row {row}: the quote that opens at '{start[0]}' {reason}; close or double it, "
        f'or double those within its cell (""); {_PLAIN}'
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
