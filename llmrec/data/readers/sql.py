"""Read tables from a database by a query: DuckDB and SQLite at once, others through polars."""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import polars as pl

from llmrec.errors import DataError, EnvironmentFault, MissingExtra
from llmrec.runtime import extra

# An address without a file: a DuckDB that reads files, as in "SELECT * FROM 'log/*.parquet'".
MEMORY = ":memory:"


def read_query(query: str, connection: str) -> pl.DataFrame:
    """Run a query. ``connection`` is ``duckdb:///file.db``, ``sqlite:///file.db`` or any URI polars knows.

    ``duckdb://`` without a file queries Parquet and CSV files by their paths. A file is opened read-only.
    Raises DataError for a bad query or connection, MissingExtra where the driver is not installed.
    """
    scheme = connection.partition("://")[0]
    if "://" not in connection:
        raise DataError(f"'{scheme[:20]}' is no connection string; write for example duckdb:///shop.duckdb")
    reader = _READERS.get(scheme, _read_any)
    try:
        return reader(query, connection)
    except (DataError, EnvironmentFault):
        raise
    except ImportError as error:  # of a database that the extra has no driver for
        raise MissingExtra(f"no driver for {scheme} is installed: pip install connectorx") from error
    except Exception as error:  # each driver raises its own family of errors
        raise DataError(f"{_shown(connection)}: {_reason(error, connection)}; check the query") from error


def _read_duckdb(query: str, connection: str) -> pl.DataFrame:
    duckdb = extra("duckdb", "sql")
    file = _file(connection)
    database = duckdb.connect(file) if file == MEMORY else duckdb.connect(file, read_only=True)
    return _fetched(database, lambda: pl.DataFrame(pl.from_arrow(database.sql(query).to_arrow_table())))


def _read_sqlite(query: str, connection: str) -> pl.DataFrame:
    if _file(connection) == MEMORY:
        raise DataError(f"{connection} names no file; write sqlite:///shop.db")
    database = sqlite3.connect(f"{Path(_file(connection)).resolve().as_uri()}?mode=ro", uri=True)
    return _fetched(database, lambda: pl.read_database(query, database, infer_schema_length=None))


def _read_any(query: str, connection: str) -> pl.DataFrame:
    engine: Literal["connectorx", "adbc"] = "connectorx" if importlib.util.find_spec("connectorx") else "adbc"
    if engine == "adbc" and connection.startswith("postgres"):
        extra("adbc_driver_postgresql", "sql")
    return pl.read_database_uri(query, connection, engine=engine)


def _fetched(database: Any, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    with closing(database):
        return read()


def _file(connection: str) -> str:
    """Return the file that a connection names: ``///shop.db`` is in this folder, ``////shop.db`` at the root."""
    file = connection.partition("://")[2].removeprefix("/")
    if not file or file == MEMORY:
        return MEMORY
    if not Path(file).is_file():
        raise DataError(f"{connection}: there is no file {file}; check the path (an absolute one has 4 slashes)")
    return file


def _shown(connection: str) -> str:
    """Name a connection without its password."""
    parts = urlsplit(connection)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _reason(error: Exception, connection: str) -> str:
    """Return the first line of the driver's message, without the connection string: it may hold a password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    secret = urlsplit(connection).password
    first = lines[0].replace(connection, _shown(connection))
    return first.replace(secret, "***") if secret else first


_READERS: dict[str, Callable[[str, str], pl.DataFrame]] = {"duckdb": _read_duckdb, "sqlite": _read_sqlite}
