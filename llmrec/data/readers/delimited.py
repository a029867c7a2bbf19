"""Read delimited text strictly: every line has the header's number of cells, or its row is named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llmrec.data.readers.arrow_rows import parse_rows
from llmrec.data.readers.layout import NAMED_DELIMITERS, STAND_IN, Layout, layout_of
from llmrec.data.readers.quotes import QuoteOption, quoting_of
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_NAMELESS = "\x1fnameless"


@dataclass(frozen=True)
class TextFormat:
    """What the reader of delimited text is told instead of recognising it; "" is recognised.

    ``encoding``: of the file; ``delimiter``: between its cells; ``quotes``: what they mean, see ``quotes``.
    """

    encoding: str = ""
    delimiter: str = ""
    quotes: QuoteOption = "auto"


def read_delimited(
    path: Path,
    *,
    header: Sequence[str] = (),
    ids: Callable[[list[str]], Collection[str]] = lambda names: (),
    text_format: TextFormat = TextFormat(),
    option: str = "--header",
) -> pl.DataFrame:
    """Read CSV, TSV and their kind as text columns; empty cells are null. The first lines decide the delimiter.

    ``header`` names the columns of a file whose first line is data already; ``option`` is what messages call it.
    Of the column names ``ids`` picks those that hold ids: they become Enum columns while they are read, so that
    their text is never in memory as a whole; blank ids are "" there. Columns without a name are left out. Raises
    DataError for an empty file, repeated column names, ragged lines, misplaced quotes or bad encoding.
    """
    file = _divided(TextFile.of(path, text_format.encoding), text_format.delimiter)
    layout = layout_of(file, header=header, delimiter=text_format.delimiter, option=option)
    quoting = quoting_of(file, layout, text_format.quotes)
    # Columns without a name are numbered, so that their names differ.
    columns = [name or f"{_NAMELESS}{number}" for number, name in enumerate(layout.names)]
    table = parse_rows(
        quoting.file,
        columns,
        delimiter=layout.delimiter,
        skipped=layout.skipped,
        enclosing=quoting.enclosing,
        broken=quoting.broken,
        ids=ids(layout.names),
    )
    if quoting.rows is not None and quoting.rows != table.height:
        raise DataError(
            f"{path.name}: {quoting.rows} rows were counted, {table.height} read; look for a misplaced quote"
        )
    if layout.commented:
        _refuse_comments(path, table)
    return _named(path, table, layout)


def read_atomic(path: Path) -> pl.DataFrame:
    """Read a RecBole atomic file: tab separated, ``name:type`` headers; floats become numbers.

    Quotes mean nothing there. Raises DataError like ``read_delimited``.
    """
    file = TextFile.of(path)
    layout = layout_of(file, delimiter="\t")
    typed = [name.partition(":") for name in layout.names]
    names = [name for name, _, _ in typed]
    table = parse_rows(file, names, delimiter="\t", skipped=layout.skipped)
    floats = [name for name, _, kind in typed if kind == "float" and name != "timestamp"]
    try:
        return table.with_columns(pl.col(floats).cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path.name}: {str(error).splitlines()[0]}; correct it or change its type") from error


def parse_bytes(path: Path, content: bytes, names: list[str], *, delimiter: str) -> pl.DataFrame:
    """Read rows that have neither header nor quotes. Raises DataError like ``read_delimited``."""
    return parse_rows(TextFile(path, content), names, delimiter=delimiter)


def _divided(file: TextFile, delimiter: str) -> TextFile:
    """Put one byte for a delimiter of several."""
    if len(delimiter) < 2 or delimiter.lower() in NAMED_DELIMITERS:
        return file
    content = file.read()
    if STAND_IN.encode() in content:
        raise DataError(f"{file.path.name}: holds the control character 1F; name a delimiter of one character")
    return file.with_content(content.replace(delimiter.encode(), STAND_IN.encode()))


def _refuse_comments(path: Path, table: pl.DataFrame) -> None:
    """Refuse comments further down: one with the right number of cells would be a row."""
    first = table.to_series(0).cast(pl.String)
    marked = first.str.starts_with("#").fill_null(False)
    if marked.any():
        row = int(marked.arg_true()[0])
        raise DataError(
            f"{path.name}: data row {row + 1} begins with # like the comments before the first row: "
            f"{first[row]!r}; take out the comments"
        )


def _named(path: Path, table: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Leave out the columns without a name, such as the index of a pandas frame."""
    nameless = [name for name in table.columns if name.startswith(_NAMELESS)]
    if layout.widened and table[nameless[-1]].null_count() < table.height:
        row = int(table[nameless[-1]].is_not_null().arg_true()[0])
        raise DataError(
            f"{path.name}: data row {row + 1} has {len(layout.names)} cells, the header has "
            f"{len(layout.names) - 1}; give each column a name"
        )
    if nameless:
        count = "a column" if len(nameless) == 1 else f"{len(nameless)} columns"
        log.info("%s: %s without a name left out", path.name, count)
    return table.drop(nameless)
