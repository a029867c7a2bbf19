"""Count quotes, rows and line breaks of delimited text, independently of the parser that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from llmrec.arrays import Int64s, UInt8s

_QUOTE, _LF, _CR = 34, 10, 13
_MOST_SUSPECTS = 1000


@dataclass
class QuoteCounts:
    """What a text holds where quotes enclose cells.

    ``rows``; ``breaks``: line breaks within cells; ``opened``: cells in quotes; ``needless``: those of them that
    would read the same without; ``plain``: whether each line has the right number of cells where quotes are plain
    characters; ``suspects``: rows of several lines, each with the right number of cells, as (row, lines).
    """

    rows: int = 0
    breaks: int = 0
    opened: int = 0
    needless: int = 0
    plain: bool = True
    suspects: list[tuple[int, list[str]]] = field(default_factory=list)

    def add(self, other: QuoteCounts) -> None:
        """Count a further part of the text."""
        self.suspects += [(self.rows + row, lines) for row, lines in other.suspects]
        self.plain &= other.plain
        for name in ("rows", "breaks", "opened", "needless"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def whole_rows(text: bytes) -> int:
    """Return the length of the longest start of ``text`` that ends with a line and opens no quote; 0 if none."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _LF)
    outside = np.searchsorted(np.flatnonzero(data == _QUOTE), ends) % 2 == 0
    return int(ends[outside][-1]) + 1 if outside.any() else 0


def strict_quotes(text: bytes, delimiter: str) -> Int64s | None:
    """Return where the quotes are if all of them open, close or are doubled as in RFC 4180; None otherwise."""
    data = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    mark = ord(delimiter)
    before = np.where(quotes > 0, data[quotes - 1], _LF)[0::2]
    after = np.append(data, _LF)[quotes + 1][1::2]
    border = [mark, _LF, _CR, _QUOTE]
    strict = len(quotes) % 2 == 0 and np.isin(before, border).all() and np.isin(after, border).all()
    return quotes if strict else None


def lenient_quotes(text: bytes, delimiter: str) -> tuple[Int64s, tuple[int, int] | None]:
    """Return the quotes that open, close or are doubled: within a cell that no quote opens they are characters.

    Also where reading fails: the quote that opens, and the one that closes within its cell, or the text's end.
    """
    border = {ord(delimiter), _LF, _CR}
    quotes = np.flatnonzero(np.frombuffer(text, np.uint8) == _QUOTE).tolist()
    structural: list[int] = []
    opened: int | None = None
    number = 0
    while number < len(quotes):
        at = quotes[number]
        number += 1
        if opened is None:
            if at == 0 or text[at - 1] in border:
                structural.append(at)
                opened = at
        elif text[at + 1 : at + 2] == b'"':
            structural += [at, at + 1]
            number += 1
        elif at + 1 == len(text) or text[at + 1] in border:
            structural.append(at)
            opened = None
        else:
            return np.array(structural, np.int64), (opened, at)
    failed = None if opened is None else (opened, len(text))
    return np.array(structural, np.int64), failed


def count_quotes(text: bytes, quotes: Int64s, delimiter: str, columns: int) -> QuoteCounts:
    """Count rows, lines and cells of a text whose structural quotes are known."""
    data = np.frombuffer(text if text.endswith((b"\n", b"\r")) else text + b"\n", np.uint8)
    delimiters = np.flatnonzero(data == ord(delimiter))
    line_feed = data == _LF
    alone = (data[:-1] == _CR) & ~line_feed[1:]
    ends = np.flatnonzero(line_feed | np.append(alone, data[-1] == _CR))
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts - ((ends > starts) & line_feed[ends] & (data[ends - 1] == _CR))
    outside = np.searchsorted(quotes, ends) % 2 == 0
    cells = np.searchsorted(delimiters, ends) - np.searchsorted(delimiters, starts) + 1
    fits = cells == columns
    # The line that ends a row belongs to it.
    row_of_line = np.concatenate([[0], np.cumsum(outside)[:-1]])
    blank = (lengths == 0) & outside & np.concatenate([[True], outside[:-1]])
    counts = QuoteCounts(
        rows=int((outside & ~blank).sum()),
        breaks=int((~outside).sum()),
        plain=bool((fits | (lengths == 0)).all()),
    )
    counts.opened, counts.needless = _cells_in_quotes(data, quotes, delimiters, ends)
    if counts.breaks:
        several = np.bincount(row_of_line) > 1
        unfit = np.bincount(row_of_line, weights=~fits) > 0
        blank_rows = np.cumsum(np.bincount(row_of_line, weights=blank))
        for row in np.flatnonzero(several & ~unfit)[:_MOST_SUSPECTS].tolist():
            spanned = np.flatnonzero(row_of_line == row)
            lines = [bytes(data[starts[line] : ends[line]]).decode(errors="replace") for line in spanned]
            counts.suspects.append((row + 1 - int(blank_rows[row]), lines))
    return counts


def _cells_in_quotes(data: UInt8s, quotes: Int64s, delimiters: Int64s, ends: Int64s) -> tuple[int, int]:
    """Count the cells in quotes, and those that hold nothing that needs them."""
    pairs = quotes.reshape(-1, 2)
    gap = pairs[1:, 0] - pairs[:-1, 1] > 1
    opening = pairs[np.concatenate([[True], gap]), 0] if len(pairs) else pairs[:, 0]
    closing = pairs[np.concatenate([gap, [True]]), 1] if len(pairs) else pairs[:, 1]
    doubled = np.searchsorted(quotes, closing) - np.searchsorted(quotes, opening) > 1
    divided = np.searchsorted(delimiters, closing) > np.searchsorted(delimiters, opening)
    broken = np.searchsorted(ends, closing) > np.searchsorted(ends, opening)
    return len(opening), int((~(doubled | divided | broken)).sum())
