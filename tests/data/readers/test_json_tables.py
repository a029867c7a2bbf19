"""JSON as pandas writes tables: every orientation is the same log, or is refused with the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.data.readers.json_tables import rows_of_table

pd = pytest.importorskip("pandas")

COLUMNS = {"user_id": ["ann", "ann", "bob"], "item_id": ["x", "y", "x"], "timestamp": [10, 20, 30]}
TITLES = {"item_id": ["x", "y"], "title": ["X", "Y"]}
EXPECTED = Dataset.from_tables(COLUMNS).fingerprint


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "records"])
def test_every_orientation_of_pandas_is_the_log(orient: Any, indent: Any, tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text(pd.DataFrame(COLUMNS).to_json(orient=orient, indent=indent) + "\n")
    data = Dataset.from_files(tmp_path / "events.json")
    assert data.events.select(*COLUMNS).equals(Dataset.from_tables(COLUMNS).events)


def test_a_folder_of_such_files(tmp_path: Path) -> None:
    many = {"user_id": ["u"] * 5000, "item_id": ["x", "y"] * 2500, "timestamp": list(range(5000))}
    pd.DataFrame(many).to_json(tmp_path / "what_was_bought.json")
    pd.DataFrame(TITLES).to_json(tmp_path / "items.json")
    data = Dataset.from_files(tmp_path)
    assert data.events.height == 5000 and data.catalog.titles == ["X", "Y"]
    pd.DataFrame(COLUMNS).to_json(tmp_path / "what_was_bought.json")
    pd.DataFrame(TITLES).to_json(tmp_path / "what_there_is.json")
    (tmp_path / "items.json").unlink()
    assert Dataset.from_files(tmp_path).catalog.titles == ["X", "Y"]


def test_values_without_names_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.DataFrame(COLUMNS).to_json(tmp_path / "events.json", orient="values")
    assert run(["data", "prepare", str(tmp_path / "events.json"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and 'orient="records"' in said


@pytest.mark.parametrize(
    "line",
    [
        {"user": {"id": 1}, "item": {"id": 7}},
        {"user_id": "ann", "item_id": "x", "seen": [{"item": 1}, {"item": 2}]},
    ],
)
def test_one_event_alone_is_one_event(line: dict[str, Any], tmp_path: Path) -> None:
    assert rows_of_table(line) is None
    (tmp_path / "log.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert Dataset.from_files(tmp_path / "log.jsonl").events.height == 1


def test_two_objects_are_two_lines_however_long_the_first(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": ["ann", "ann"], "item_id": ["x" * 70_000, "y"], "timestamp": [1, 2]})
    log.write_ndjson(tmp_path / "log.jsonl")
    assert Dataset.from_files(tmp_path / "log.jsonl").events.height == 2
