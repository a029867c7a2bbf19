"""Read files that strangers wrote: bounded in size, in depth and in what they become in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import polars as pl

# Of files that are read as text: recipes, prompts, manifests, logs.
MOST_BYTES = 64 * 2**20
YAML_BYTES = 2**20
# A table may become so large whatever its file's size, and beyond that so many times as large as its file.
TABLE_BYTES = 2**31
TABLE_RATIO = 1000


class UnreadableError(ValueError):
    """A file that is too large, too deep, or no file of its kind. The message has one line."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: ten of them, each of the one before, become a billion values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"it uses the alias *{event.anchor}; write out what it stands for")
        return super().compose_node(parent, index)


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """Read a UTF-8 file of at most ``most`` bytes. Raises UnreadableError and OSError."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UnreadableError(f"it has more than {most:,} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is not UTF-8 text: {error.reason} at byte {error.start}") from error


def read_json(path: Path, *, most: int = MOST_BYTES) -> Any:
    """Read a JSON file. Raises UnreadableError and OSError."""
    try:
        return json.loads(read_text(path, most=most))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(_one_line(error)) from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file of one document, without aliases. Raises UnreadableError and OSError."""
    return parse_yaml(read_text(path, most=YAML_BYTES))


def parse_yaml(text: str) -> Any:
    """Read YAML of one document, without aliases. Raises UnreadableError."""
    documents = list(_yaml_documents(text))
    if len(documents) > 1:
        raise UnreadableError(f"it holds {len(documents)} documents; one is expected")
    return documents[0] if documents else None


def read_yaml_documents(path: Path) -> Iterator[Any]:
    """Read a YAML file's documents, without aliases. Raises UnreadableError and OSError."""
    yield from _yaml_documents(read_text(path, most=YAML_BYTES))


def _yaml_documents(text: str) -> Iterator[Any]:
    try:
        yield from yaml.load_all(text, Loader=_PlainLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise UnreadableError(_one_line(error)) from error


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet file that does not become absurdly large. Raises UnreadableError and OSError.

    By pyarrow: a damaged file makes polars print a stack trace, or end the process.
    """
    import polars as pl
    from pyarrow import ArrowException, parquet

    size = path.stat().st_size
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            rows, n_groups = file.metadata.num_rows, file.metadata.num_row_groups
            becomes = sum(file.metadata.row_group(n).total_byte_size for n in range(n_groups))
            if max(becomes, rows) > max(TABLE_BYTES, TABLE_RATIO * size):
                raise UnreadableError(f"{size:,} bytes say that they hold {rows:,} rows of {becomes:,} bytes")
            read = file.read()
        read.validate(full=True)  # text that is no UTF-8 would end in a panic, too
        table = pl.from_arrow(read.replace_schema_metadata(None))
    except (ArrowException, pl.exceptions.PolarsError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableError(_one_line(error)) from error
    if not isinstance(table, pl.DataFrame) or table.height != rows:
        raise UnreadableError(f"it says {rows:,} rows and holds others")
    return table


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
