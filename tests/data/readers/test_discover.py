"""Folders: which file is the log, which the catalog, and several logs put together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.errors import DataError

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}
ITEMS = {"item_id": ["a", "b"], "title": ["Film A", "Film B"]}
EXPECTED = Dataset.from_tables(EVENTS, items=ITEMS).fingerprint


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_folders_of_parts_and_of_other_logs(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for n in range(2):
        lines(parts / f"part-{n}.jsonl", pl.DataFrame(EVENTS).to_dicts()[n * 2 : n * 2 + 2])
    data = Dataset.from_files(parts, items=lines(tmp_path / "items.jsonl", pl.DataFrame(ITEMS).to_dicts()))
    assert data.fingerprint == EXPECTED
    shops = tmp_path / "shops"
    shops.mkdir()
    for name in ("books", "games"):
        lines(shops / f"{name}.jsonl", [{"uid": 1, "iid": 7, "title": name.title()}, {"uid": None, "iid": 7}])
    data = Dataset.from_files(shops, files="separate")
    assert data.events.rows() == [("books:1", "books:7", 0, "books"), ("games:1", "games:7", 0, "games")]
    assert data.catalog.titles == ["Books", "Games"]
    (shops / "ratings.csv").touch()
    (shops / "events.csv").touch()
    with pytest.raises(
        DataError, match=r"holds 2 event logs, events\.csv and ratings\.csv; name one file, or say --files one"
    ):
        Dataset.from_files(shops)


def test_a_parquet_folder_with_both_tables(tmp_path: Path) -> None:
    pl.DataFrame(EVENTS).write_parquet(tmp_path / "events.parquet")
    pl.DataFrame(ITEMS).write_parquet(tmp_path / "items.parquet")
    assert Dataset.from_files(tmp_path).fingerprint == EXPECTED


@pytest.mark.parametrize("parts", [("ml.inter",), ("ml.train.inter", "ml.valid.inter", "ml.test.inter")])
def test_a_folder_of_recbole_s_files(
    tmp_path: Path, parts: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    for n, name in enumerate(parts):
        rows = f"1\t10\t{10**9 + n}\n2\t11\t{10**9 + n}\n"
        (tmp_path / name).write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{rows}")
    (tmp_path / "ml.item").write_text("item_id:token\tmovie_title:token_seq\n10\tPlaytime\n11\tBrazil\n")
    (tmp_path / "ml.user").write_text("user_id:token\tage:token\n1\t24\n2\t53\n")
    data = Dataset.from_files(tmp_path)
    assert (data.n_users, data.events.height) == (2, 2 * len(parts))
    assert data.catalog.titles == ["Playtime", "Brazil"]
    assert "not read: ml.user" in caplog.text
