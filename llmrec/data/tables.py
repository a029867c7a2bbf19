"""Accept any frame at the door: polars, pandas, pyarrow, a Hugging Face dataset or a dict of columns."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from llmrec.errors import DataError

log = logging.getLogger(__name__)

# Rows hashed at once: the hash does not depend on how a table happens to be chunked in memory.
_HASHED_ROWS = 1 << 18
_STREAMED_ROWS = 1 << 16

Buffer = bytes | memoryview


def to_polars(table: object, *, name: str) -> pl.DataFrame:
    """Return ``table`` as a polars DataFrame. ``name`` is what an error calls it.

    Raises DataError for anything that is not a table.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, str):
        raise DataError(f"{name}: expected a table, got the string '{table}'; read files with from_files")
    try:
        converted = _converted(table)
    except (TypeError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{name}: cannot read a table from {type(table).__name__}: {error}") from error
    if not isinstance(converted, pl.DataFrame):
        raise DataError(f"{name}: expected a table, got one column; pass a frame with named columns")
    return converted


def _converted(table: object) -> object:
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if type(table).__module__.split(".")[0] == "datasets":
        return _from_datasets(table)
    if isinstance(table, Mapping):
        return pl.DataFrame(dict(table))
    return pl.DataFrame(table)  # type: ignore[arg-type]


def _from_datasets(table: Any) -> pl.DataFrame:
    """Read a Hugging Face data set: in memory with its selections applied, or as it streams in."""
    if isinstance(table, Mapping):
        raise ValueError(f"it has the splits {', '.join(table)}: pass one of them, e.g. [{next(iter(table))!r}]")
    batches = table.with_format("arrow").iter(batch_size=_STREAMED_ROWS)
    frames = [pl.DataFrame(pl.from_arrow(batch)) for batch in batches]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def flat(table: pl.DataFrame, *, name: str, ids: Collection[str] = ()) -> pl.DataFrame:
    """Return ``table`` with plain columns only: text, numbers, booleans and times.

    Lists of plain values become text joined by ", "; other nested or binary columns are left out, which is
    logged. Columns among ``ids`` may be Enum.
    """
    kept = []
    for column in table.get_columns():
        coded = column.name in ids and isinstance(column.dtype, pl.Enum)
        plain = column if coded else _flat(column)
        if plain is None:
            log.warning("%s: column '%s' (%s) is left out: not text or number", name, column.name, column.dtype)
        else:
            kept.append(plain)
    return pl.DataFrame(kept)


def _flat(column: pl.Series) -> pl.Series | None:
    kind = column.dtype
    if kind == pl.Null or isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64)
    if isinstance(kind, pl.List) and not kind.inner.is_nested():
        return column.cast(pl.List(pl.String)).list.join(", ", ignore_nulls=True)
    plain = kind == pl.String or kind == pl.Boolean or kind.is_numeric() or kind.is_temporal()
    return column if plain else None


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
    missing = column.null_count() > 0
    nulls = np.packbits(column.is_null().to_numpy()).tobytes() if missing else bytes(-(-column.len() // 8))
    if column.dtype == pl.String:
        # Arrow's older text type has the characters of all rows one after the other.
        text = (column.fill_null("") if missing else column).to_arrow(compat_level=pl.CompatLevel.oldest())
        _, places, characters = text.buffers()
        offsets = np.frombuffer(places, dtype="<i8")[text.offset : text.offset + len(text) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        written = memoryview(characters)[first:last] if last > first else b""
        return [nulls, np.diff(offsets).astype("<u4").tobytes(), written]
    numbers = column.to_physical()
    if numbers.dtype == pl.Boolean:
        numbers = numbers.cast(pl.UInt8)
    return [nulls, (numbers.fill_null(0) if missing else numbers).to_numpy().tobytes()]
