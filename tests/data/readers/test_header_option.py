"""Logs whose first line is data: refused with the way out, read once their columns are named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.errors import DataError, EnvironmentFault

TAOBAO = "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n2,2268318,2520377,cart,1511572885\n"
AMAZON = "A2EFCYXHNK06IS,5555991584,5.0,978480000\nA1WR23ER5HMAA9,5555991584,5.0,953424000\n"
NAMES = ["user_id", "item_id", "category", "behavior", "timestamp"]


def written(folder: Path, text: str) -> Path:
    path = folder / "UserBehavior.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_row_is_taken_for_names(tmp_path: Path) -> None:
    data = Dataset.from_files(written(tmp_path, TAOBAO), header=NAMES)
    assert data.events.height == 3
    assert data.events["behavior"].to_list() == ["pv", "buy", "cart"]
    assert data.catalog.table["category"].to_list() == ["2520377", "2520771"]


def test_on_the_command_line(tmp_path: Path) -> None:
    path, header = written(tmp_path, AMAZON), "user_id,item_id,rating,timestamp"
    assert run(["data", "prepare", str(path), "--header", header, "--out", str(tmp_path / "out")]) == 0
    assert Dataset.load(tmp_path / "out").events["rating"].to_list() == [5.0, 5.0]


@pytest.mark.parametrize("text", [TAOBAO, AMAZON, "1,1,5,100\n1,2,4,101\n"])
def test_without_names_the_message_names_the_option(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        DataError,
        match=r"UserBehavior.csv: .*first line looks like data.*; name all \d with --header NAME,NAME,NAME",
    ):
        Dataset.from_files(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "header", "message"),
    [
        (TAOBAO, NAMES[:4], "--header names 4 columns, the first line has 5 cells"),
        ("user_id,item_id\n1,2\n", ["user_id", "item_id"], "first line names columns already"),
        (TAOBAO, [*NAMES[:4], "user_id"], "two columns are named 'user_id'"),
        (TAOBAO, ["a", "b", "c", "d", "e"], "no column 'user_id'"),
    ],
)
def test_names_that_do_not_fit(tmp_path: Path, text: str, header: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.from_files(written(tmp_path, text), header=header)


def test_only_where_a_format_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"user_id": 1, "item_id": 2}\n', encoding="utf-8")
    with pytest.raises(DataError, match="--header is for CSV"):
        Dataset.from_files(tmp_path / "log.jsonl", header=NAMES)
    assert run(["data", "prepare", "x.csv", "--header", "a,,b", "--out", str(tmp_path / "out")]) == 2


def test_a_catalog_without_a_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id\nu,1\nu,2\n")
    out, items = tmp_path / "out", tmp_path / "items.csv"
    for text in ("1,Lamp,Home\n2,Rug,Home\n", "1,Lamp,[],[]\n2,Rug,[],[]\n"):
        items.write_text(text)
        assert run(["data", "prepare", str(log), "--items", str(items), "--out", str(out)]) == 2
        message = capsys.readouterr().err
        assert "items.csv" in message
        assert "first line looks like data" in message
        assert "--items-header NAME,NAME" in message
    header = ["--items-header", "item_id,title,a,b"]
    assert run(["data", "prepare", str(log), "--items", str(items), *header, "--out", str(out)]) == 0
    assert Dataset.load(out).catalog.table["title"].to_list() == ["Lamp", "Rug"]


def test_dat_files_with_other_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "clicks.dat"
    names = ["session", "timestamp", "item_id", "category"]
    for delimiter in (",", "\t", "::"):
        rows = [["1", "2014-04-07T10:51:09.277Z", "214", "0"], ["1", "2014-04-07T10:54:09Z", "215", "0"]]
        path.write_text("".join(delimiter.join(row) + "\n" for row in rows))
        data = Dataset.from_files(path, header=names, columns={"user_id": "session"})
        assert data.events["item_id"].to_list() == ["214", "215"]
    path.write_text("1,214\n2,215\n")
    with pytest.raises(DataError, match=r"clicks.dat: .*first line looks like data"):
        Dataset.from_files(path)


def test_a_saved_folder_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "dataset_info.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(EnvironmentFault, match=r"datasets is not installed: pip install datasets$"):
        Dataset.from_files(tmp_path / "folder")
