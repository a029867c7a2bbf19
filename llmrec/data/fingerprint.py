"""Hash tables by content, whatever their chunks in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import polars as pl

# Rows hashed at once: the hash does not depend on how a table happens to be chunked in memory.
_HASHED_ROWS = 1 << 18

Buffer = bytes | memoryview


def hash_tables(tables: Iterable[pl.DataFrame]) -> str:
    """Return the sha256 over the raw values of flat tables, column by column.

    It depends on names, types, values and row order only: not on the version of any library.
    """
    digest = hashlib.sha256()
    with ThreadPoolExecutor(1) as ahead:  # one thread lays out the next block while this one hashes
        waiting = None
        for block in _blocks(tables):
            coming = ahead.submit(_raw, block) if isinstance(block, pl.Series) else block
            _update(digest, waiting)
            waiting = coming
        _update(digest, waiting)
    return digest.hexdigest()


def _blocks(tables: Iterable[pl.DataFrame]) -> Iterator[pl.Series | bytes]:
    """Yield each column's head, then its values in blocks."""
    for table in tables:
        for column in table.get_columns():
            yield f"{column.name}:{column.dtype}:{column.len()};".encode()
            for start in range(0, column.len(), _HASHED_ROWS):
                yield column.slice(start, _HASHED_ROWS)


def _update(digest: hashlib._Hash, block: Future[list[Buffer]] | bytes | None) -> None:
    for part in block.result() if isinstance(block, Future) else [block or b""]:
        digest.update(part)


def _raw(column: pl.Series) -> list[Buffer]:
    """Return the bytes of a column: where it is null, then its values (text: lengths, then characters)."""
    if isinstance(column.dtype, pl.List):
        return [*_raw(column.list.len()), *_raw(column.explode())]
    missing = column.null_count() > 0
    nulls = np.packbits(column.is_null().to_numpy()).tobytes() if missing else bytes(-(-column.len() // 8))
    if column.dtype == pl.String:
        # Arrow's older text type has the characters of all rows one after the other.
        text = (column.fill_null("") if missing else column).to_arrow(compat_level=pl.CompatLevel.oldest())
        _, positions, characters = text.buffers()
        offsets = np.frombuffer(positions, dtype="<i8")[text.offset : text.offset + len(text) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        written = memoryview(characters)[first:last] if last > first else b""
        return [nulls, np.diff(offsets).astype("<u4").tobytes(), written]
    numbers = column.to_physical()
    if numbers.dtype == pl.Boolean:
        numbers = numbers.cast(pl.UInt8)
    return [nulls, (numbers.fill_null(0) if missing else numbers).to_numpy().tobytes()]
