"""Parse delimited rows strictly with Arrow: ids coded as they come, a bad row named by its number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import polars as pl

from llmrec.data.id_codes import IdEncoder
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

# A cell must fit into one block.
_BLOCK_BYTES = 1 << 24
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)")
_SHOWN = 60


def parse_rows(
    file: TextFile,
    names: list[str],
    *,
    delimiter: str,
    skipped: int = 0,
    enclosing: bool = False,
    broken: bool = False,
    ids: Collection[str] = (),
) -> pl.DataFrame:
    """Read the rows after ``skipped`` physical lines as text columns; ``ids`` become Enum columns.

    ``enclosing``: quotes enclose cells, which may hold line breaks where ``broken``. Raises DataError naming
    the row that has another number of cells, or the line that is not UTF-8.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{file.path.name}: two columns are named '{twice}'; rename one of them")
    parse = arrow_csv.ParseOptions(
        delimiter=delimiter, quote_char='"' if enclosing else False, newlines_in_values=broken
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
            with file.open() as stream:
                batches = arrow_csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=text)
                table = _gathered(batches, names, ids)
        except pa.ArrowInvalid as error:
            if not threads:
                raise _explained(file, error, skipped=skipped) from error
        else:
            break
    return table


def _gathered(batches: Iterable[Any], names: list[str], ids: Collection[str]) -> pl.DataFrame:
    """Put the batches of a file together, its ids encoded as they come."""
    encoders = {name: IdEncoder(name) for name in names if name in ids}
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(batch))
        for name, pieces in columns.items():
            pieces.append(encoders[name].codes(frame[name]) if name in encoders else frame[name])
    joined = [
        encoders[name].enum(np.concatenate([np.zeros(0, dtype=np.uint32), *pieces]))
        if name in encoders
        else pl.concat([pl.Series(name, [], dtype=pl.String), *pieces])
        for name, pieces in columns.items()
    ]
    return pl.DataFrame(joined)


def _explained(file: TextFile, error: Exception, *, skipped: int) -> DataError:
    """Turn the parser's message into one with the row and the way out."""
    message = " ".join(str(error).splitlines())
    ragged = _RAGGED.search(message)
    if ragged is not None:
        row, expected, actual, cells = ragged.groups()
        shown = cells if len(cells) <= _SHOWN else f"{cells[:_SHOWN]}…"
        if expected == "1":
            return DataError(
                f"{file.path.name}: its first line has one cell, data row {int(row) - skipped} has {actual}: "
                f"'{shown}'; remove what stands above the names of the columns"
            )
        return DataError(
            f"{file.path.name}: data row {int(row) - skipped} has {actual} cells, the header has {expected}: "
            f"'{shown}'; correct it, or quote cells that hold the delimiter"
        )
    if "UTF8" in message:
        return file.undecodable()
    return DataError(f"{file.path.name} cannot be read: {message}; look for a quote that is never closed")
