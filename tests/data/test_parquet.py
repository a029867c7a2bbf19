"""Events in Parquet: text to every reader, whatever else stands beside the ids."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from llmrec.data import parquet
from llmrec.data.id_codes import encode_ids
from llmrec.data.parquet import write_events

EVENTS = pl.DataFrame(
    {
        "user_id": ["u", "u", "v", None, "w"],
        "item_id": ["b", "a", "b", "é", "a"],
        "timestamp": [3, 1, 2, 5, None],
        "note": ["x", None, "", "y", "z"],
        "small": pl.Series([1, None, 3, -4, 5], dtype=pl.Int8),
        "large": pl.Series([1, 2, 3, 4, 2**64 - 1], dtype=pl.UInt64),
        "flag": [True, None, False, True, False],
        "day": [date(2020, 1, 1)] * 5,
        "time": [datetime(2020, 1, 1, tzinfo=UTC)] * 5,
        "pause": [timedelta(microseconds=7)] * 5,
    }
)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_what_is_written_is_read(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_GROUP_ROWS", rows)
    ids = encode_ids(EVENTS["user_id"], label="log"), encode_ids(EVENTS["item_id"], label="log")
    write_events(EVENTS, ids, tmp_path / "events.parquet")
    again = pl.read_parquet(tmp_path / "events.parquet")
    assert again.schema == EVENTS.schema
    assert again.equals(EVENTS)
    assert pq.read_table(tmp_path / "events.parquet")["item_id"].to_pylist() == EVENTS["item_id"].to_list()
    assert pq.ParquetFile(tmp_path / "events.parquet").num_row_groups == -(-5 // rows)


def test_ids_are_written_as_codes(tmp_path: Path) -> None:
    column = pl.Series("user_id", ["a long name that stands there often"] * 1000)
    events = pl.DataFrame([column, column.alias("item_id")])
    ids = encode_ids(events["user_id"], label="log"), encode_ids(events["item_id"], label="log")
    write_events(events, ids, tmp_path / "events.parquet")
    encodings = pq.ParquetFile(tmp_path / "events.parquet").metadata.row_group(0).column(0).encodings
    assert "RLE_DICTIONARY" in encodings
