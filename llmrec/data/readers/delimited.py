"""Read delimited text strictly: every line has the header's number of cells, or its row is named."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from llmrec.data.id_codes import IdEncoder
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_DELIMITERS = ",\t;|"
_HEAD_BYTES = 1 << 16
# A cell must fit into one block.
_BLOCK_BYTES = 1 << 24
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)")
_SHOWN = 60
_NUMBER = re.compile(r"-?\d+([.]\d+)?")


def read_delimited(
    path: Path,
    *,
    header: Sequence[str] = (),
    ids: Callable[[list[str]], Collection[str]] = lambda names: (),
) -> pl.DataFrame:
    """Read CSV, TSV and their kind as text columns; empty cells are null. The first line decides the delimiter.

    ``header`` names the columns of a file whose first line is data already. Of the column names ``ids`` picks
    those that hold ids: they become Enum columns while they are read, so that their text is never in memory
    as a whole; blank ids are "" there. Raises DataError for an empty file, repeated column names, ragged
    lines, open quotes or bad encoding.
    """
    skipped, first = _header(path)
    delimiter = max(_DELIMITERS, key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
    if header:
        _check_is_data(path, names, header)
        names, skipped = [name.strip() for name in header], skipped - 1
    elif len(set(names)) < len(names) and looks_like_data(names):
        raise DataError(f"{path.name}: {no_header(names)}")
    table = _parse(path, names, skipped=skipped, delimiter=delimiter, quoted=True, ids=ids(names))
    nameless = [name for name in table.columns if not name]
    if nameless:
        log.info("%s: a column without a name is left out", path.name)
    return table.drop(nameless)


def read_atomic(path: Path) -> pl.DataFrame:
    """Read a RecBole atomic file: tab separated, ``name:type`` headers; floats become numbers.

    Quotes mean nothing there. Raises DataError like ``read_delimited``.
    """
    skipped, header = _header(path)
    typed = [name.strip().partition(":") for name in header.split("\t")]
    names = [name for name, _, _ in typed]
    table = _parse(path, names, skipped=skipped, delimiter="\t", quoted=False)
    floats = [name for name, _, kind in typed if kind == "float" and name != "timestamp"]
    try:
        return table.with_columns(pl.col(floats).cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path.name}: {str(error).splitlines()[0]}; correct it or change its type") from error


def looks_like_data(names: Iterable[str]) -> bool:
    """Whether column names are rather cells of a first row: one of them is a number."""
    return any(_NUMBER.fullmatch(name) for name in names)


def no_header(names: Iterable[str]) -> str:
    """Return what is wrong with a first line that names no columns, and the way out."""
    return (
        f"its first line looks like data, not like names of columns: {', '.join(names)}; name them in their "
        "order, for example with --header user_id,item_id,rating,timestamp (header=[...])"
    )


def _check_is_data(path: Path, cells: list[str], header: Sequence[str]) -> None:
    if len(cells) != len(header):
        raise DataError(
            f"{path.name}: --header names {len(header)} columns, the first line has {len(cells)} cells: "
            f"{', '.join(cells)}; name each of them"
        )
    named = {cell.lower() for cell in cells} & {name.strip().lower() for name in header}
    if named:
        raise DataError(f"{path.name}: its first line names columns already, '{named.pop()}'; leave out --header")


def parse_bytes(path: Path, content: bytes, names: list[str], *, delimiter: str) -> pl.DataFrame:
    """Read rows that have neither header nor quotes. Raises DataError like ``read_delimited``."""
    return _parse(path, names, skipped=0, delimiter=delimiter, quoted=False, content=content)


def _header(path: Path) -> tuple[int, str]:
    """Return how many lines to skip, the header among them, and the header."""
    head = _head(path)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _encoding_error(path, 1, "UTF-16")
    lines = head.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            return number, line.decode()
        except UnicodeDecodeError:
            raise _encoding_error(path, number) from None
    raise DataError(f"{path} is empty; export it again with its data")


def _head(path: Path) -> bytes:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        return bytes(stream.read(_HEAD_BYTES))


def _parse(
    path: Path,
    names: list[str],
    *,
    skipped: int,
    delimiter: str,
    quoted: bool,
    content: bytes | None = None,
    ids: Collection[str] = (),
) -> pl.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path.name}: two columns are named '{twice}'; rename one of them")
    parse = arrow_csv.ParseOptions(
        delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
    )
    text = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    # Rows can be numbered only where one thread reads them: that is the second try.
    for threads in (True, False):
        read = arrow_csv.ReadOptions(
            column_names=names, skip_rows=skipped, use_threads=threads, block_size=_BLOCK_BYTES
        )
        try:
            with _opened(path, content) as stream:
                batches = arrow_csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=text)
                table, last = _gathered(batches, names, ids)
        except pa.ArrowInvalid as error:
            if not threads:
                raise _explained(path, error, skipped=skipped) from error
        else:
            break
    if quoted:
        _check_quotes(path, last)
    return table


def _gathered(batches: Iterable[Any], names: list[str], ids: Collection[str]) -> tuple[pl.DataFrame, str | None]:
    """Put the batches of a file together, its ids encoded as they come. Returns the last cell, too."""
    encoders = {name: IdEncoder(name) for name in names if name in ids}
    columns: dict[str, list[Any]] = {name: [] for name in names}
    last = None
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(batch))
        for name, pieces in columns.items():
            pieces.append(encoders[name].codes(frame[name]) if name in encoders else frame[name])
        last = frame.row(-1)[-1] if frame.height else last
    joined = [
        encoders[name].enum(np.concatenate([np.zeros(0, dtype=np.uint32), *pieces]))
        if name in encoders
        else pl.concat([pl.Series(name, [], dtype=pl.String), *pieces])
        for name, pieces in columns.items()
    ]
    return pl.DataFrame(joined), last


def _opened(path: Path, content: bytes | None) -> AbstractContextManager[Any]:
    import pyarrow as pa

    if content is not None:
        return cast("AbstractContextManager[Any]", pa.BufferReader(content))
    return cast("AbstractContextManager[Any]", pa.input_stream(str(path), compression="detect"))


def _explained(path: Path, error: Exception, *, skipped: int) -> DataError:
    """Turn the parser's message into one with the row and the way out."""
    message = " ".join(str(error).splitlines())
    ragged = _RAGGED.search(message)
    if ragged is not None:
        row, expected, actual, cells = ragged.groups()
        shown = cells if len(cells) <= _SHOWN else f"{cells[:_SHOWN]}…"
        return DataError(
            f"{path.name}: data row {int(row) - skipped} has {actual} cells, the header has {expected}: "
            f"'{shown}'; correct it, or quote cells that hold the delimiter"
        )
    if "UTF8" in message:
        return _encoding_error(path, _undecodable_line(path))
    return DataError(f"{path.name} cannot be read: {message}; look for a quote that is never closed")


def _undecodable_line(path: Path) -> int:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        for number, line in enumerate(stream.read().split(b"\n"), start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _encoding_error(path: Path, line: int, encoding: str = "LATIN1") -> DataError:
    return DataError(
        f"{path.name}: line {line} is not UTF-8 text; convert the file, for example with: "
        f"iconv -f {encoding} -t UTF-8"
    )


def _check_quotes(path: Path, last: str | None) -> None:
    """Refuse a quote that is never closed: it would swallow every line after it, into the last cell."""
    if last is None or "\n" not in last:
        return
    if not _ends_with_quote(path):
        start = last.splitlines()[0]
        raise DataError(f"{path.name}: the quote that opens at '{start}' is never closed; close or double it")


def _ends_with_quote(path: Path) -> bool:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        tail = b""
        while block := stream.read(_BLOCK_BYTES):
            tail = (tail + block).rstrip()[-1:]
    return tail == b'"'
