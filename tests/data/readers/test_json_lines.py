"""JSON lines: one object a line, late names, broken lines named, Amazon Reviews as they are handed out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers import json_rows
from llmrec.data.readers.json_lines import read_json_lines
from llmrec.errors import DataError

EVENTS: dict[str, list[Any]] = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}
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
    rows: list[dict[str, Any]] = [
        {"a": 1, "tags": ["x", "y"], "more": {"k": 1}, "pictures": [{"url": "p"}]},
        {"a": "é", "tags": [], "b": True, "mixed": [1]},
        {"a": None, "tags": None, "mixed": "text"},
    ]
    table = read_json_lines(lines(tmp_path / "x.jsonl", rows))
    assert table.to_dicts() == [
        {"a": "1", "tags": "x, y", "more.k": "1", "b": None, "mixed": None},
        {"a": "é", "tags": "", "more.k": None, "b": "true", "mixed": "[1]"},
        {"a": None, "tags": None, "more.k": None, "b": None, "mixed": "text"},
    ]


JSON_BROKEN = {
    "cut": (b'{"user_id": 1}\n{"user_id": \n', "line 2 is not JSON"),
    "array": (b'{"user_id": 1}\n[1]\n', "line 2 is not an object"),
    "null": (b'\n\n{"user_id": 1}\nnull\n', "line 4 is not an object"),
    "two": (b'{"user_id": 1}{"user_id": 2}\n', "line 1 is not JSON"),
    "nan": (b'{"user_id": NaN}\n', "NaN is not standard JSON, write null"),
    "no array": (b'[\n{"user_id": 1},\n]\n', "line 1 is not JSON"),
    "array of others": (b'[{"user_id": 1}, 2]\n', "line 1 is not an object"),
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


FIRST = '{"user_id": "u", "item_id": "i"}\n'
LATE = {
    "plain": '{"user_id": "v", "item_id": "i", "price": 3}\n',
    "blank before the colon": '{"user_id": "v", "item_id": "i", "price" : 3}\n',
    "tab before the colon": '{"user_id":"v","item_id":"i","price"\t:3}\n',
    "escaped": '{"user_id": "v", "item_id": "i", "pr\\u0069ce": 3}\n',
    "after text with quotes": '{"user_id": "say \\"price\\": 4", "item_id": "i", "price": 3}\n',
    "of another type": '{"user_id": "v", "item_id": "i", "price": 3}\n{"price": {"a": 1}, "user_id": "w"}\n',
}


@pytest.mark.parametrize("name", LATE)
def test_a_late_name_is_not_lost(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "_SAMPLED_LINES", 5)
    path = tmp_path / "log.jsonl"
    path.write_text(FIRST * 20 + LATE[name] + FIRST, encoding="utf-8")
    table = read_json_lines(path)
    assert table["price"][20] == "3"
    assert table["price"].null_count() == table.height - 1 - (name == "of another type")


def test_nothing_more_is_read_where_counting_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "_SAMPLED_LINES", 5)
    monkeypatch.delattr(json_rows, "_all_names")
    path = tmp_path / "log.jsonl"
    path.write_text(FIRST * 20, encoding="utf-8")
    assert read_json_lines(path).height == 20


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
    assert data.catalog.table.select("title", "genres", "price").row(0) == ("Lamp", "Home, Lamps", 9.99)


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
    assert data.events.select("item_id", "timestamp", "rating").row(0) == ("B1", 1588687728.923, 4.0)
    assert data.catalog.table.select("title", "genres", "main_category").row(0) == (
        "Train",
        "Toys, Trains",
        "Toys",
    )


@pytest.mark.parametrize("indent", [None, 1])
def test_one_array_of_objects_is_its_objects(tmp_path: Path, indent: int | None) -> None:
    rows = [{"user_id": "a", "item_id": "é\n", "n": 1}, {"user_id": "b", "item_id": "y", "late": [1]}]
    (tmp_path / "log.json").write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    table = read_json_lines(tmp_path / "log.json")
    assert table.rows() == [("a", "é\n", "1", None), ("b", "y", None, "1")]


def test_values_that_mongodb_wraps(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"user_id":{"$oid":"5a"},"item_id":{"$numberLong":"7"},"timestamp":{"$date":"2021-03-05T10:00:00Z"}}\n'
        '{"user_id":{"$oid":"5b"},"item_id":{"$numberLong":"8"},"timestamp":{"$date":"2021-03-04T10:00:00Z"}}\n'
    )
    data = Dataset.from_files(path)
    assert data.events.rows() == [("5a", "7", 1614938400), ("5b", "8", 1614852000)]
    path.write_text('[{"user_id":1,"item_id":2,"timestamp":{"$date":{"$numberLong":"1616000000000"}}}]')
    assert Dataset.from_files(path.rename(tmp_path / "log.json")).events["timestamp"].to_list() == [1616000000]


def test_objects_that_are_left_out_are_said_with_their_fields(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"user":1,"item":2,"time":1616000000,"tags":[{"kind":"a","weight":1}]}\n')
    assert Dataset.from_files(path).events.columns == ["user_id", "item_id", "timestamp"]
    assert "'tags' is left out: it holds objects (kind, weight); write what is needed" in caplog.text


def test_times_that_are_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"user_id":1,"item_id":2,"time":{"seconds":1616000000}}\n')
    with pytest.raises(DataError, match=r"1 of 1 timestamps are unusable: data row 1 has .*seconds.*1616000000"):
        Dataset.from_files(path)
    periods = pl.DataFrame({"user_id": [1], "item_id": [2], "timestamp": [{"seconds": 1616000000}]})
    with pytest.raises(DataError, match=r"column 'timestamp' holds Struct.*, no times; write them as text"):
        Dataset.from_tables(periods)
