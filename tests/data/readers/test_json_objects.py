"""Fields of objects inside objects: columns by dotted names, in JSON lines and in tables."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.errors import DataError

ROWS = [
    {
        "user": {"id": n % 3, "plan": {"name": "pro"}},
        "item": {"id": f"i{n % 4}", "name": f"Thing\n{n % 4}"},
        "time": n,
    }
    for n in range(12)
]


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_fields_of_objects_are_columns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "log.jsonl", [*ROWS, {"user": None, "item": {"id": "i0"}, "time": 99}])
    with caplog.at_level(logging.INFO):
        data = Dataset.from_files(path, time_format="order")
    assert "fields of objects are columns: user.id, user.plan.name, item.id, item.name" in caplog.text
    assert data.events.filter(user_id="1")["item_id"].to_list() == ["i1", "i0", "i3", "i2"]
    assert set(data.events["user.plan.name"]) == {"pro"}
    assert data.catalog.titles == [f"Thing\n{n}" for n in range(4)]
    with pytest.raises(DataError, match=r"no table has a column 'user\.key'; log\.jsonl has user\.id"):
        Dataset.from_files(path, columns={"user_id": "user.key"})


def test_a_table_s_structs_are_read_alike(tmp_path: Path) -> None:
    from_lines = Dataset.from_files(written(tmp_path / "log.jsonl", ROWS), time_format="order", name="log")
    table = pl.DataFrame(ROWS)
    assert Dataset.from_tables(table, time_format="order").fingerprint == from_lines.fingerprint
    table.write_parquet(tmp_path / "log.parquet")
    assert Dataset.from_files(tmp_path / "log.parquet", time_format="order").fingerprint == from_lines.fingerprint


def test_an_item_s_objects_are_read_and_large_ones_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = written(tmp_path / "log.jsonl", [{"user": 1, "item": 7, "time": 1_600_000_000}])
    details = {f"Part {n}": "x" for n in range(40)}
    item = {"id": 7, "name": "Lamp", "maker": {"brand": "Acme"}, "details": details, "empty": {}}
    items = written(tmp_path / "items.jsonl", [item])
    with caplog.at_level(logging.INFO):
        data = Dataset.from_files(events, items=items)
    assert data.catalog.table.row(0, named=True) == {"item_id": "7", "title": "Lamp", "maker.brand": "Acme"}
    assert "'details' is left out: it holds objects (Part 0, Part 1, Part 10, " in caplog.text
    assert "Part 15, ...); write what is needed" in caplog.text
    assert "'empty' is left out" in caplog.text


def test_ids_that_are_objects_in_some_rows_are_refused(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"user": 1, "item": 7, "time": 5}, {"user": {"id": 1}, "item": 8, "time": 6}]
    with pytest.raises(DataError, match=r"log\.jsonl: column 'user' holds objects in some rows, .* in data row 2"):
        Dataset.from_files(written(tmp_path / "log.jsonl", rows))


def test_an_id_that_is_an_object_with_an_id_is_that(tmp_path: Path) -> None:
    ids = [{"id": 1, "kind": "x"}, {"id": 2, "kind": "x"}]
    table = pl.DataFrame({"user_id": ["a", "b"], "item_id": ids})
    assert Dataset.from_tables(table).events["item_id"].to_list() == ["1", "2"]
    with pytest.raises(DataError, match=r"no column 'item_id' among its columns user_id, item_id\.kind"):
        Dataset.from_tables(table.with_columns(pl.struct(pl.lit("x").alias("kind")).alias("item_id")))


def test_the_only_array_of_an_object_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log.json"
    rows = [{"user": 1, "item": 7}, {"user": 1, "item": 8}]
    path.write_text(json.dumps({"version": 2, "tags": ["x"], "reviews": rows}, indent=1), encoding="utf-8")
    with caplog.at_level(logging.INFO):
        assert Dataset.from_files(path).events["item_id"].to_list() == ["7", "8"]
    assert "the objects of 'reviews' are read, not version, tags" in caplog.text
    path.write_text(json.dumps({"a": rows, "b": rows}, indent=1), encoding="utf-8")
    with pytest.raises(DataError, match="line 1 is not JSON"):
        Dataset.from_files(path)
