"""Reading a path: the format by its name, and what is said about paths that cannot be read."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset, register_reader
from llmrec.data.readers import read
from llmrec.data.readers.part_names import stem
from llmrec.data.readers.read import read_events, read_raw
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
    assert read_events(tmp_path / "log.parquet").frame.rows() == ROWS
    table = read_events(tmp_path / "parts").frame
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


def read_triples(path: Path) -> pl.DataFrame:
    """A format that llmrec does not ship: user>item@time, one a line."""
    cells = [re.split("[>@]", line) for line in path.read_text(encoding="utf-8").splitlines()]
    return pl.DataFrame(cells, schema=["customer", "sku", "ts"], orient="row")


def test_a_format_written_elsewhere_is_read_by_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_READERS", dict(read._READERS))
    register_reader(".triples", read_triples)
    (tmp_path / "log.triples").write_text("u1>007@10\nu1>8@20\nu2>8@30\n", encoding="utf-8")
    for path in (tmp_path / "log.triples", tmp_path):
        data = Dataset.from_files(path, time_format="seconds")
        assert data.events.rows() == [("u1", "007", 10), ("u1", "8", 20), ("u2", "8", 30)]
    with pytest.raises(DataError, match=r"no ending of a file format; write it with its dot"):
        register_reader("triples", read_triples)
    with pytest.raises(DataError, match=r"files that end in \.csv are read by read_delimited already"):
        register_reader(".CSV", read_triples)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("log.xlsx", "save this one as CSV"),
        ("log.zip", "unpack it"),
        ("log.tar.gz", "unpack it"),
        ("log.pkl", "as Parquet"),
    ],
)
def test_what_is_not_read_says_what_it_can_become(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=f"{name}: .*{remedy}.*; known endings"):
        read_raw(tmp_path / name)


def test_what_stands_above_the_header_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("Sales of May\nuser_id,item_id\nu,1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"its first line has one cell, .* remove what stands above the names"):
        read_raw(tmp_path / "log.csv")
