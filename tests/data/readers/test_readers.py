"""Every door: JSON lines, MovieLens, Amazon Reviews, folders, databases, Hugging Face, named columns."""

from __future__ import annotations

import gzip
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers.json_lines import read_json_lines
from llmrec.data.readers.sql import read_query
from llmrec.errors import DataError, EnvironmentFault

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}
ITEMS = {"item_id": ["a", "b"], "title": ["Film A", "Film B"]}
EXPECTED = Dataset.from_tables(EVENTS, items=ITEMS).fingerprint


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def rows_of(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return pl.DataFrame(table).to_dicts()


@pytest.mark.parametrize("ending", ["jsonl", "json", "jsonl.gz", "json.gz", "ndjson"])
def test_json_lines(tmp_path: Path, ending: str) -> None:
    events = lines(tmp_path / f"log.{ending}", rows_of(EVENTS))
    items = lines(tmp_path / f"things.{ending}", rows_of(ITEMS))
    assert Dataset.from_files(events, items=items).fingerprint == EXPECTED


def test_json_values_of_every_kind(tmp_path: Path) -> None:
    rows = [
        {"a": 1, "tags": ["x", "y"], "more": {"k": 1}, "pictures": [{"url": "p"}]},
        {"a": "é", "tags": [], "b": True, "mixed": [1]},
        {"a": None, "tags": None, "mixed": "text"},
    ]
    table = read_json_lines(lines(tmp_path / "x.jsonl", rows))
    assert table.to_dicts() == [
        {"a": "1", "tags": "x, y", "b": None, "mixed": None},
        {"a": "é", "tags": "", "b": "true", "mixed": "[1]"},
        {"a": None, "tags": None, "b": None, "mixed": "text"},
    ]


JSON_BROKEN = {
    "cut": (b'{"user_id": 1}\n{"user_id": \n', "line 2 is not JSON"),
    "array": (b'{"user_id": 1}\n[1]\n', "line 2 is not an object"),
    "null": (b'\n\n{"user_id": 1}\nnull\n', "line 4 is not an object"),
    "two": (b'{"user_id": 1}{"user_id": 2}\n', "line 1 is not JSON"),
    "nan": (b'{"user_id": NaN}\n', "NaN is not standard JSON, write null"),
    "pretty": (b'[\n{"user_id": 1}\n]\n', "line 1 is not JSON"),
    "python": (b"{'user_id': 1}\n", "line 1 is not JSON"),
    "latin1": (b'{"user_id": 1}\n{"user_id": "caf\xe9"}\n', "line 2 is not UTF-8 text"),
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "empty objects": (b"{}\n{}\n", "objects are empty"),
}


@pytest.mark.parametrize("case", JSON_BROKEN)
def test_broken_json_lines_are_named(tmp_path: Path, case: str) -> None:
    content, message = JSON_BROKEN[case]
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_json_lines(tmp_path / "log.jsonl")
    assert message in str(caught.value)
    assert "log.jsonl" in str(caught.value)


def test_long_files_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmrec.data.readers.json_lines._BLOCK_BYTES", 64)
    rows = [{"user_id": n, "late" if n > 30 else "early": "x" * (n % 7)} for n in range(50)]
    path = lines(tmp_path / "log.jsonl", rows)
    table = read_json_lines(path)
    assert table["user_id"].to_list() == [str(n) for n in range(50)]
    assert set(table.columns) == {"user_id", "early", "late"}
    path.write_bytes(path.read_bytes() + b"{oops\n")
    with pytest.raises(DataError, match="line 51 is not JSON"):
        read_json_lines(path)


def test_movielens_100k_and_1m_as_shipped(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[1] = flags[5] = "1"
    (tmp_path / "u.data").write_text("1\t2\t5\t881250949\n1\t3\t4\t881250950\n")
    films = f'2|Café (1995)|01-Jan-1995||http://x|{"|".join(flags)}\n3|B "quoted|||||{"|".join(["0"] * 18)}\n'
    (tmp_path / "u.item").write_bytes(films.encode("latin-1"))
    data = Dataset.from_files(tmp_path / "u.data", items=tmp_path / "u.item")
    assert data.catalog.table.to_dicts() == [
        {"item_id": "2", "title": "Café (1995)", "genres": "Action, Comedy"},
        {"item_id": "3", "title": 'B "quoted', "genres": ""},
    ]
    assert data.events["rating"].to_list() == [5.0, 4.0]
    assert Dataset.from_files(tmp_path).fingerprint == data.fingerprint
    (tmp_path / "ratings.dat").write_text("1::2::5::881250949\n1::3::4::881250950\n")
    (tmp_path / "movies.dat").write_bytes(
        "2::Café (1995)::Action|Comedy\n3::B: the end::Drama\n".encode("latin-1")
    )
    again = Dataset.from_files(tmp_path / "ratings.dat", items=tmp_path / "movies.dat")
    assert again.events.equals(data.events)
    assert again.catalog.titles == ["Café (1995)", "B: the end"]
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n")
    with pytest.raises(DataError, match=r"users\.dat: its first line has 5 cells"):
        Dataset.from_files(tmp_path / "users.dat")


def test_movielens_csv_folder(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,4.5,881250949\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n2,Film,Drama|War\n")
    (tmp_path / "README.txt").write_text("terms")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,2,fun,3\n")
    data = Dataset.from_files(tmp_path)
    assert (data.events.height, data.catalog.titles) == (1, ["Film"])


def test_amazon_reviews_2018(tmp_path: Path) -> None:
    review = {"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1400000000, "summary": "Wow"}
    other = review | {"asin": "B2", "style": {"Size:": "M"}, "vote": "2", "image": ["http://x"]}
    meta = {"asin": "B1", "title": "Lamp", "price": "$9.99", "category": ["Home", "Lamps"], "brand": "Lux"}
    log = lines(tmp_path / "Home_5.json.gz", [review, other])
    items = lines(tmp_path / "meta_Home.json.gz", [meta, meta | {"asin": "B2", "title": "Rug", "also_buy": []}])
    data = Dataset.from_files(log, items=items)
    assert data.events.select("user_id", "item_id", "timestamp", "rating").rows() == [
        ("A1", "B1", 1400000000, 5.0),
        ("A1", "B2", 1400000000, 5.0),
    ]
    assert data.catalog.table.select("title", "genres", "price").row(0) == ("Lamp", "Home, Lamps", "$9.99")


def test_amazon_reviews_2023(tmp_path: Path) -> None:
    review = {
        "rating": 4.0, "title": "A review's title", "text": "Good.", "images": [], "asin": "B9",
        "parent_asin": "B1", "user_id": "A1", "timestamp": 1588687728923, "verified_purchase": True,
    }  # fmt: skip
    meta = {
        "main_category": "Toys", "title": "Train", "price": None, "categories": ["Toys", "Trains"],
        "parent_asin": "B1", "details": {"Brand": "X"}, "images": [{"large": "http://x"}], "store": None,
    }  # fmt: skip
    log = lines(tmp_path / "Toys.jsonl", [review])
    data = Dataset.from_files(log, items=lines(tmp_path / "meta_Toys.jsonl", [meta]))
    assert data.events.select("item_id", "timestamp", "rating").row(0) == ("B1", 1588687728, 4.0)
    assert data.catalog.table.select("title", "genres", "main_category").row(0) == (
        "Train",
        "Toys, Trains",
        "Toys",
    )


def test_folders_of_parts_and_of_other_logs(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for n in range(2):
        lines(parts / f"part-{n}.jsonl", rows_of(EVENTS)[n * 2 : n * 2 + 2])
    data = Dataset.from_files(parts, items=lines(tmp_path / "items.jsonl", rows_of(ITEMS)))
    assert data.fingerprint == EXPECTED
    shops = tmp_path / "shops"
    shops.mkdir()
    for name in ("books", "games"):
        lines(shops / f"{name}.jsonl", [{"uid": 1, "iid": 7, "title": name.title()}, {"uid": None, "iid": 7}])
    data = Dataset.from_files(shops)
    assert data.events.rows() == [("books:1", "books:7", 0, "books"), ("games:1", "games:7", 0, "games")]
    assert data.catalog.titles == ["Books", "Games"]
    (shops / "ratings.csv").touch()
    (shops / "events.csv").touch()
    with pytest.raises(DataError, match=r"holds 2 event logs, events\.csv and ratings\.csv; name one file"):
        Dataset.from_files(shops)


def test_a_parquet_folder_with_both_tables(tmp_path: Path) -> None:
    pl.DataFrame(EVENTS).write_parquet(tmp_path / "events.parquet")
    pl.DataFrame(ITEMS).write_parquet(tmp_path / "items.parquet")
    assert Dataset.from_files(tmp_path).fingerprint == EXPECTED


def test_the_catalog_from_the_log_itself(caplog: pytest.LogCaptureFixture) -> None:
    rows = [("a", "Film A", "x")] * 18 + [("a", "Old", None), ("a", " ", "x"), ("b", "Film B", None)]
    log = pl.DataFrame(rows, schema=["item_id", "Product Name", "genres"], orient="row").with_row_index(
        "timestamp"
    )
    with caplog.at_level(logging.INFO):
        data = Dataset.from_tables(log.with_columns(user_id=pl.lit("u"), timestamp=pl.col("timestamp") * 9))
    assert data.events.columns == ["user_id", "item_id", "timestamp"]
    assert data.catalog.table.rows() == [("a", "Film A", "x"), ("b", "Film B", None)]
    assert "the catalog is taken from its own column Product Name" in caplog.text
    with pytest.raises(DataError, match="1 of 2 items have no title"):
        Dataset.from_tables(
            log[:20]
            .with_columns(user_id=1)
            .vstack(log[20:].with_columns(pl.lit("").alias("Product Name"), user_id=1))
        )


def test_titles_that_differ_between_events_are_no_titles(caplog: pytest.LogCaptureFixture) -> None:
    reviews = EVENTS | {"item_id": ["a", "a", "a"], "title": ["Wow", "Meh", "Good"]}
    data = Dataset.from_tables(reviews)
    assert data.catalog.titles == ["a"]
    assert data.events["title"].to_list() == ["Wow", "Meh", "Good"]
    assert "differs between events of one item" in caplog.text


def test_columns_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pl.DataFrame(EVENTS).rename({"user_id": "who", "item_id": "sku"})
    texts = pl.DataFrame(ITEMS).rename({"item_id": "sku", "title": "label"})
    columns = {"user_id": "who", "item_id": "sku", "title": "label"}
    with caplog.at_level(logging.INFO):
        assert Dataset.from_tables(frame, items=texts, columns=columns).fingerprint == EXPECTED
    assert "who -> user_id, sku -> item_id" in caplog.text
    with pytest.raises(DataError, match="--column title=lable: no table has a column 'lable'; events has who"):
        Dataset.from_tables(frame, items=texts, columns=columns | {"title": "lable"})
    with pytest.raises(DataError, match="with --column user_id=NAME"):
        Dataset.from_tables(frame)
    swapped = pl.DataFrame(EVENTS).with_columns(user_id=pl.lit("x"), buyer=pl.col("user_id"))
    data = Dataset.from_tables(swapped, items=ITEMS, columns={"user_id": "buyer"})
    assert data.events["user_id"].to_list() == ["u", "u", "v"]
    assert data.events["user_id_was"].to_list() == ["x"] * 3


def test_hugging_face_data_sets_stream_and_keep_their_selection(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict(EVENTS)

    def stream() -> Iterator[dict[str, Any]]:
        yield from rows_of(EVENTS)

    streamed = datasets.IterableDataset.from_generator(stream)
    assert Dataset.from_tables(streamed, items=ITEMS).fingerprint == EXPECTED
    assert Dataset.from_tables(whole.select([0, 1]), items=ITEMS).events.height == 2
    with pytest.raises(DataError, match="it has the splits train: pass one of them"):
        Dataset.from_tables(datasets.DatasetDict({"train": whole}), items=ITEMS)
    whole.save_to_disk(str(tmp_path / "saved"))
    items = lines(tmp_path / "items.jsonl", rows_of(ITEMS))
    assert Dataset.from_files(tmp_path / "saved", items=items).fingerprint == EXPECTED


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
    data = Dataset.from_sql(query, connection="duckdb://")
    assert data.events.rows() == [("u", "a", 10), ("u", "b", 20), ("v", "a", 30)]
    with pytest.raises(DataError, match="check the query"):
        Dataset.from_sql("select from", connection="duckdb://")


def test_connections_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no connection string; write for example duckdb:///shop\.duckdb"):
        read_query("select 1", "shop.duckdb")
    with pytest.raises(DataError, match="there is no file"):
        read_query("select 1", f"sqlite:///{tmp_path}/none.db")


def test_what_a_driver_says_is_told_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(query: str, uri: str, *, engine: str) -> pl.DataFrame:
        raise RuntimeError(f"cannot reach {uri} with hunter2\nat line 7")

    monkeypatch.setattr(pl, "read_database_uri", refuse)
    with pytest.raises(DataError) as caught:
        read_query("select 1", "postgresql://ann:hunter2@localhost:1/shop")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(query: str, uri: str, *, engine: str) -> pl.DataFrame:
        raise ModuleNotFoundError("connectorx")

    monkeypatch.setattr(pl, "read_database_uri", refuse)
    with pytest.raises(EnvironmentFault, match=r"no driver for mysql is installed; .* 'llmrec\[sql\]'"):
        read_query("select 1", "mysql://localhost/shop")
