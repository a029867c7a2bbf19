"""CSV and its kind: delimiters, packed files, RecBole files, and what is said about broken ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers import arrow_rows
from llmrec.data.readers.column_names import name_items
from llmrec.data.readers.read import read_events, read_raw, read_raw_events
from llmrec.errors import DataError

ROWS = [("u1", "007", "10"), ("u1", "8", "20"), ("u2", "8", "30")]
COLUMNS = ["user_id", "item_id", "timestamp"]


def text(delimiter: str, header: str = "user_id,item_id,timestamp") -> str:
    lines = [header, *(",".join(row) for row in ROWS)]
    return "\n".join(lines).replace(",", delimiter) + "\n"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_header_tells_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    file = tmp_path / "log.csv"
    file.write_text(text(delimiter))
    table = read_events(file).frame
    assert table.columns == COLUMNS
    assert table.rows() == ROWS


def test_gzip_zstd_bom_crlf_and_blank_first_lines(tmp_path: Path) -> None:
    import pyarrow as pa

    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text(",").encode()))
    with pa.output_stream(str(tmp_path / "a.tsv.zst"), compression="zstd") as stream:
        stream.write(text("\t").encode())
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + text(",").replace("\n", "\r\n").encode())
    (tmp_path / "c.csv").write_text("\n\n" + text(","))
    (tmp_path / "d.csv").write_text(text(",").replace("\n", "\r"))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    for file in files:
        assert read_events(file).frame.rows() == ROWS, file


def test_recbole_atomic_files(tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n"
    (tmp_path / "x.inter").write_text(inter)
    item = 'item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n1\t"Toy" Story\t\tA B\n'
    (tmp_path / "x.item").write_text(item)
    assert read_events(tmp_path / "x.inter").frame.to_dicts() == [
        {"user_id": "196", "item_id": "242", "rating": 3.0, "timestamp": "881250949"}
    ]
    assert name_items(read_raw(tmp_path / "x.item"), label="x.item").to_dicts() == [
        {"item_id": "1", "title": '"Toy" Story', "year": None, "genres": "A B"}
    ]
    (tmp_path / "bad.inter").write_text(inter + "1\t2\tfine\t9\n")
    with pytest.raises(DataError, match="fine"):
        read_events(tmp_path / "bad.inter")


def test_titles_pass_through_as_plain_text(tmp_path: Path) -> None:
    titles = [
        'say "hi", twice',
        "two\nlines",
        "🎬 émigré",
        "{{ 7 * 7 }}{% raw %}",
        "<|im_start|>system",
        " x ",
    ]
    frame = pl.DataFrame({"item_id": [str(n) for n in range(len(titles))], "title": titles})
    frame.write_csv(tmp_path / "items.csv")
    assert read_raw(tmp_path / "items.csv")["title"].to_list() == titles


def test_a_quoted_line_break_at_the_end_is_no_open_quote(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text('item_id,title\n1,"two\nlines"\n')
    assert read_raw(tmp_path / "items.csv")["title"].to_list() == ["two\nlines"]


BROKEN = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "header only": (b"user_id,item_id\n", "has a header but no rows"),
    "no user": (
        b"who,item_id\n1,2\n",
        "log.csv: no column 'user_id' among its columns who, item_id; name the one",
    ),
    "no header": (b"1,2,3\n4,5,6\n", "its first line looks like data, not like names of columns: 1, 2, 3; name"),
    "no header, an empty cell": (b"u1,7,,4\nu2,8,,5\n", "like names of columns: u1, 7, , 4; name all 4 with"),
    "short": (b"user_id,item_id\n1,2\n3\n", "data row 2 has 1 cells, the header has 2: '3'"),
    "long": (b"user_id,item_id\n1,2\n3,4,5\n", "data row 2 has 3 cells, the header has 2: '3,4,5'"),
    "latin1": (b"user_id,item_id\n1,2\n1,caf\xe9\n", "line 3 is not UTF-8 text"),
    "latin1 header": (b"user_id,item_id,\xe9\n1,2,3\n", "line 1 is not UTF-8 text"),
    "open quote": (b'user_id,item_id\n1,2\n1,"3\n4,5\n', "the quote that opens at '3' is never closed"),
    "twice": (b"user_id,item_id,item_id\n1,2,3\n", "two columns are named 'item_id'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_events(tmp_path / "log.csv")
    assert message in str(caught.value)
    assert "log.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ids_are_coded_while_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_rows, "_BLOCK_BYTES", 64)
    ids = [f"i{n % 7}" if n % 5 else "" for n in range(100)]
    log = pl.DataFrame({"customer": [f"u{n % 11}" for n in range(100)], "sku": ids, "ts": list(range(100))})
    log.write_csv(tmp_path / "log.csv")
    raw = read_raw_events(tmp_path / "log.csv", columns={"user_id": "customer"}).frame
    assert all(isinstance(kind, pl.Enum) for kind in raw.dtypes[:2])
    assert raw["sku"].cast(pl.String).to_list() == ids
    assert raw["customer"].cast(pl.String).to_list() == log["customer"].to_list()
    assert read_events(tmp_path / "log.csv").frame["item_id"].dtype == pl.String


def test_rows_that_repeat_the_header_are_left_out(tmp_path: Path) -> None:
    log, catalog = tmp_path / "log.csv", tmp_path / "items.csv"
    log.write_text("user_id,item_id\nu,a\nuser_id,item_id\nuser_id,b\n")
    catalog.write_text("item_id,title\na,A\nb,B\nitem_id,title\n")
    data = Dataset.from_files(log, items=catalog)
    assert data.events.select("user_id", "item_id").rows() == [("u", "a"), ("user_id", "b")]
    assert data.catalog.ids == ["a", "b"]
    counts = [(step.table, step.rows_in, step.removed) for step in data.steps if step.name.endswith("the header")]
    assert counts == [("events", 3, 1), ("items", 3, 1)]
    parts = tmp_path / "parts"
    parts.mkdir()
    for part in "12":
        (parts / f"part-{part}.csv").write_text(f"user_id,item_id\nu{part},a\nuser_id,item_id\n")
    data = Dataset.from_files(parts)
    assert data.n_users == 2
    counts = [(step.table, step.rows_in, step.removed) for step in data.steps if step.name.endswith("the header")]
    assert counts == [("events", 4, 2)]
