"""Databases: SQLite and DuckDB by query, others by their driver, passwords never shown."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers.sql import read_query
from llmrec.errors import DataError, MissingExtra

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}
ITEMS = {"item_id": ["a", "b"], "title": ["Film A", "Film B"]}
EXPECTED = Dataset.from_tables(EVENTS, items=ITEMS).fingerprint


def test_sqlite(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("create table log (user_id text, item_id text, timestamp int)")
        database.executemany("insert into log values (?, ?, ?)", pl.DataFrame(EVENTS).rows())
        database.execute("create table items (item_id text, title text)")
        database.executemany("insert into items values (?, ?)", pl.DataFrame(ITEMS).rows())
        database.commit()
    where = f"sqlite:///{tmp_path / 'shop.db'}"
    data = Dataset.from_sql("select * from log", connection=where, items="select * from items")
    assert data.fingerprint == EXPECTED
    with pytest.raises(DataError, match="no such table"):
        Dataset.from_sql("select * from nowhere", connection=where)
    with pytest.raises(DataError, match="readonly"):
        read_query("delete from log", where)


def test_duckdb(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    pl.DataFrame(EVENTS).write_parquet(tmp_path / "log.parquet")
    query = f"select * from '{tmp_path / 'log.parquet'}'"
    data = Dataset.from_sql(query, connection="duckdb://", time_format="seconds")
    assert data.events.rows() == [("u", "a", 10), ("u", "b", 20), ("v", "a", 30)]
    with pytest.raises(DataError, match="check the query"):
        Dataset.from_sql("select from", connection="duckdb://")


def test_connections_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no connection string; write for example duckdb:///shop\.duckdb"):
        read_query("select 1", "shop.duckdb")
    with pytest.raises(DataError, match="there is no file"):
        read_query("select 1", f"sqlite:///{tmp_path}/none.db")


def _installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these modules be there, and of all other drivers none."""
    drivers = {"connectorx", "adbc_driver_postgresql", "duckdb"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name in names else None)
    for name in drivers:  # None: importing it fails as where it is not installed
        monkeypatch.setitem(sys.modules, name, ModuleType(name) if name in names else None)


def test_a_driver_s_message_is_shown_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(query: str, uri: str, *, engine: str) -> pl.DataFrame:
        raise RuntimeError(f"cannot reach {uri} with hunter2\nat line 7")

    _installed(monkeypatch, "adbc_driver_postgresql")
    monkeypatch.setattr(pl, "read_database_uri", refuse)
    with pytest.raises(DataError) as caught:
        read_query("select 1", "postgresql://ann:hunter2@localhost:1/shop")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ("duckdb://", r"duckdb is not installed: pip install 'llmrec\[sql\]'"),
        ("postgresql://localhost/shop", r"adbc_driver_postgresql is not installed: pip install 'llmrec\[sql\]'"),
        ("mysql://localhost/shop", "no driver for mysql is installed: pip install connectorx"),
    ],
)
def test_a_missing_driver_is_named(connection: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it: the extra has DuckDB and PostgreSQL."""
    _installed(monkeypatch)
    with pytest.raises(MissingExtra, match=message):
        read_query("select 1", connection)
