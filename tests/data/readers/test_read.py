"""Reading a path: the format by its name, and what is said about paths that cannot be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from llmrec.data.readers.read import read_events, stem
from llmrec.errors import DataError

ROWS = [("u1", "007", "10"), ("u1", "8", "20"), ("u2", "8", "30")]
COLUMNS = ["user_id", "item_id", "timestamp"]
LOG = "\n".join(",".join(cells) for cells in (COLUMNS, *ROWS)).encode()


def test_parquet_file_and_folder(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS, schema=COLUMNS, orient="row")
    frame.write_parquet(tmp_path / "log.parquet")
    (tmp_path / "parts" / "day=1").mkdir(parents=True)
    frame[:1].write_parquet(tmp_path / "parts" / "day=1" / "0.parquet")
    (tmp_path / "parts" / "day=2").mkdir()
    frame[1:].write_parquet(tmp_path / "parts" / "day=2" / "0.parquet")
    (tmp_path / "parts" / "_SUCCESS").touch()
    assert read_events(tmp_path / "log.parquet").rows() == ROWS
    table = read_events(tmp_path / "parts")
    assert table.select(COLUMNS).rows() == ROWS
    assert table["day"].to_list() == [1, 2, 2]


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_events(tmp_path / "none.csv")
    (tmp_path / "log.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"known endings: \.csv"):
        read_events(tmp_path / "log.xlsx")
    (tmp_path / "log.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_events(tmp_path / "log.parquet")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(LOG * 50)[:-20])
    with pytest.raises(DataError, match=r"cut\.csv\.gz"):
        read_events(tmp_path / "cut.csv.gz")
    (tmp_path / "plain.csv.gz").write_bytes(LOG)
    with pytest.raises(DataError, match=r"plain\.csv\.gz"):
        read_events(tmp_path / "plain.csv.gz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"without a \.parquet file"):
        read_events(tmp_path / "folder")


def test_stem() -> None:
    assert stem(Path("a/events.csv.gz")) == "events"
