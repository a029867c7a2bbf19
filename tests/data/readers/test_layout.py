"""What comes first in delimited text: names, blank names, comments, ``sep=``, encodings, delimiters."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.data.readers.headers import column_names_of
from llmrec.data.readers.read import read_raw
from llmrec.errors import DataError

ROWS = [("a", "x", "1600000000"), ("a", "y", "1600000100"), ("b", "x", "1600000200")]
NAMES = ["user_id", "item_id", "timestamp"]
PLAIN = "user_id,item_id,timestamp\na,x,1600000000\na,y,1600000100\nb,x,1600000200\n"


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


INDEXED = {
    "index": "".join(f"{n},{line}\n" for n, line in zip(["", 0, 1, 2], PLAIN.splitlines(), strict=True)),
    "quoted index": "".join(f"{n},{line}\n" for n, line in zip(['""', 0, 1, 2], PLAIN.splitlines(), strict=True)),
    "end of every line": PLAIN.replace("\n", ",\n"),
    "end of every row": PLAIN.replace("\n", ",\n").replace("timestamp,", "timestamp"),
    "both": "".join(f"{n},{line},\n" for n, line in zip(["", 0, 1, 2], PLAIN.splitlines(), strict=True)),
    "blank": PLAIN.replace("\n", ", \n").replace(",", ", "),
}


@pytest.mark.parametrize("case", INDEXED)
def test_columns_without_a_name_are_left_out(tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="llmrec")
    data = Dataset.from_files(written(tmp_path / "log.csv", INDEXED[case]))
    assert data.events.columns == NAMES
    assert data.events.height == 3
    assert "without a name left out" in caplog.text


def test_a_cell_more_than_names_in_one_row_is_refused(tmp_path: Path) -> None:
    text = INDEXED["end of every row"].removesuffix("\n") + "oops\n"
    with pytest.raises(DataError, match="data row 3 has 4 cells, the header has 3"):
        read_raw(written(tmp_path / "log.csv", text))


BEFORE = {
    "sep": "sep=;\n" + PLAIN.replace(",", ";"),
    "sep, quoted cells": "SEP=;\r\n" + PLAIN.replace(",", ";").replace("a;x", '"a";"x"').replace("\n", "\r\n"),
    "comments": "# exported\n#\n# on Monday, by us\n" + PLAIN,
    "names in a comment": "# user_id,item_id,timestamp\n" + PLAIN.partition("\n")[2],
}


@pytest.mark.parametrize("case", BEFORE)
def test_what_stands_before_the_names(tmp_path: Path, case: str) -> None:
    table = read_raw(written(tmp_path / "log.csv", BEFORE[case]))
    assert (table.columns, table.rows()) == (NAMES, ROWS)


ORANGE = "user\titem\tscore\n{}\n{}\na\tx\t4\nb\tx\t2\n"


@pytest.mark.parametrize("types", ["c\tc\tc", "string\tdiscrete\tcontinuous"])
def test_types_and_roles_that_orange_writes_are_no_rows(
    tmp_path: Path, types: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="llmrec")
    text = ORANGE.format(types, "row=1\tcol=1 kind=id\tclass")
    table = read_raw(written(tmp_path / "ratings.tab", text))
    assert table.rows() == [("a", "x", "4"), ("b", "x", "2")]
    assert "ratings.tab: Orange's types and roles of columns" in caplog.text
    assert column_names_of(tmp_path / "ratings.tab") == ["user", "item", "score"]
    assert read_raw(written(tmp_path / "ratings.tsv", text)).height == 4
    assert read_raw(written(tmp_path / "rows.tab", ORANGE.format(types, "c\td\t3"))).height == 4


def test_a_comment_further_down_is_no_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data row 4 begins with #"):
        read_raw(written(tmp_path / "log.csv", "# log\n" + PLAIN + "# end,of,log\n"))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-8"])
def test_a_named_encoding(tmp_path: Path, encoding: str) -> None:
    text = "user_id,item_id,title\na,x,Straße\nb,x,Straße\n"
    path = written(tmp_path / "log.csv", text, encoding)
    assert read_raw(path, encoding=encoding)["title"][0] == "Straße"
    if encoding == "utf-8":
        assert read_raw(path, encoding="latin-1")["title"][0] == "Straße"
    elif not encoding.startswith("utf"):
        with pytest.raises(DataError, match=r"line 2 is not UTF-8 text; .* --encoding cp1252"):
            read_raw(path)


def test_utf_16_is_told_by_its_mark(tmp_path: Path) -> None:
    assert read_raw(written(tmp_path / "log.csv", PLAIN, "utf-16")).rows() == ROWS


def test_an_unknown_encoding_and_a_wrong_one(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", PLAIN + "é,x,1\n")
    with pytest.raises(DataError, match="--encoding klingon: no such encoding"):
        read_raw(path, encoding="klingon")
    with pytest.raises(DataError, match=r"log.csv: is not ascii text"):
        read_raw(path, encoding="ascii")


@pytest.mark.parametrize("delimiter", ["::", "^", " ", "||"])
def test_a_named_delimiter(tmp_path: Path, delimiter: str) -> None:
    path = written(tmp_path / "log.csv", PLAIN.replace(",", delimiter))
    assert read_raw(path, delimiter=delimiter).rows() == ROWS
    with pytest.raises(DataError, match="--delimiter a: cells cannot"):
        read_raw(path, delimiter="a")


def test_the_rows_decide_between_delimiters(tmp_path: Path) -> None:
    text = "a\tx, y, z, and so on\t1600000000\na\tb\t1600000100\n"
    table = read_raw(written(tmp_path / "log.txt", text), header=["user_id", "item_id", "timestamp"])
    assert table["item_id"].to_list() == ["x, y, z, and so on", "b"]


def test_a_pointer_of_git_lfs_is_no_log(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n")
    with pytest.raises(DataError, match="is a Git LFS pointer, not the file itself; fetch it with: git lfs pull"):
        read_raw(path)


@pytest.mark.parametrize(
    ("text", "encoding", "suggested"),
    [("茶杯,家居", "gbk", "gb18030"), ("чашка,дом", "cp1251", "cp1251"), ("Théière,Möbel", "latin-1", "cp1252")],
)
def test_an_encoding_is_suggested_that_can_be(tmp_path: Path, text: str, encoding: str, suggested: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(f"user_id,item_id,kind\nu,{text}\n".encode(encoding))
    with pytest.raises(DataError, match=f"line 2 is not UTF-8 text; .* --encoding {suggested}"):
        Dataset.from_files(path)
    assert Dataset.from_files(path, encoding=suggested).events["item_id"].to_list() == [text.split(",")[0]]


@pytest.mark.parametrize("above", ["Report: Orders 2024;;\n", "Report: Orders 2024;;\n\n;;\nBerlin;;\n"])
def test_a_title_above_the_header_is_no_header(
    above: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{above}user_id;item_id;timestamp\nann;x;2024-01-01\n", encoding="utf-8")
    assert run(["data", "prepare", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    line = above.count("\n") + 1
    assert f"its first line is no header: 'Report: Orders 2024' stands alone on it, and line {line} names" in said
    assert f"columns: user_id, item_id, timestamp; remove the lines above line {line}" in said
    assert said.count("\n") == 1 and "--delimiter" not in said
