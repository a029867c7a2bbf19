"""What exporters put around text to protect it from spreadsheets: taken off where all cells have it, else said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.data.id_codes import encode_ids
from llmrec.data.protected_text import bare_names, unprotected

ROWS: list[tuple[str, ...]] = [
    ("001", "00123", "2024-01-01", "1.50"),
    ("002", "7", "2024-01-02", "2"),
    ("001", "7", "2024-01-03", ""),
]
COLUMNS = ["user_id", "item_id", "timestamp", "price"]
ITEMS: list[tuple[str, ...]] = [("00123", 'The "A"', "3"), ("7", "B, C", "4")]
EXPECTED = [("001", "00123", 1.5), ("001", "7", None), ("002", "7", 2.0)]


def formula(cell: str) -> str:
    return f'="{cell}"'


def quoted(cell: str) -> str:
    return f"'{cell}'"


def doubled(cell: str) -> str:
    """As a program that knows CSV writes the formula."""
    inner = cell.replace('"', '""""')
    return f'"=""{inner}"""'


def text_of(names: list[str], rows: list[tuple[str, ...]], mark: str, protect: Callable[[str], str]) -> str:
    return "".join(f"{mark.join(map(protect, cells))}\n" for cells in (names, *rows))


@pytest.mark.parametrize("header", [True, False], ids=["header too", "cells alone"])
@pytest.mark.parametrize("protect", [formula, quoted, doubled])
def test_a_log_and_its_catalog_in_protected_cells(
    protect: Callable[[str], str], header: bool, tmp_path: Path
) -> None:
    log, items = text_of(COLUMNS, ROWS, ";", protect), text_of(["item_id", "title", "stars"], ITEMS, ";", protect)
    if not header:
        log = ";".join(COLUMNS) + "\n" + log.partition("\n")[2]
        items = "item_id;title;stars\n" + items.partition("\n")[2]
    if protect is formula:
        items = items.replace('The "A"', 'The ""A""')
    (tmp_path / "log.csv").write_text(log, encoding="utf-8")
    (tmp_path / "items.csv").write_text(items, encoding="utf-8")
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "items.csv")
    assert data.events.select("user_id", "item_id", "price").rows() == EXPECTED
    assert data.catalog.table.rows() == [("00123", 'The "A"', 3), ("7", "B, C", 4)]
    assert any(step.name == "user_id" and "ids rewritten, such as" in step.note for step in data.steps)


def test_an_apostrophe_before_each_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = "user_id,item_id,timestamp\n'01,'00123,1600000000\n'02,NA,160000006\n,'7,1600000120\n'02,'7,1600000121\n"
    (tmp_path / "log.csv").write_text(log, encoding="utf-8")
    (tmp_path / "items.csv").write_text("item_id,title\n'00123,'Salem's Lot\n'7,'Til\n", encoding="utf-8")
    words = [str(tmp_path / "log.csv"), "--items", str(tmp_path / "items.csv"), "--out", str(tmp_path / "out")]
    assert run(["data", "prepare", *words]) == 0
    assert "user_id: 3 of 4 ids rewritten, such as \"'01\" as '01'" in capsys.readouterr().out
    data = Dataset.load(tmp_path / "out")
    assert data.events.select("user_id", "item_id").rows() == [("01", "00123"), ("02", "7")]
    assert data.catalog.titles == ["'Salem's Lot", "'Til"]


def test_several_files_share_the_ids_within(tmp_path: Path) -> None:
    for name, row in (("berlin", '="01",="x",="1600000000"'), ("paris", '="01",="y",="1600000060"')):
        (tmp_path / f"{name}.csv").write_text(f"user_id,item_id,timestamp\n{row}\n", encoding="utf-8")
    data = Dataset.from_files(tmp_path, files="separate")
    assert data.events["user_id"].to_list() == ["berlin:01", "paris:01"]
    notes = [step.note for step in data.steps if step.name == "text protected from spreadsheets"]
    assert [note.partition(":")[0] for note in notes] == ["berlin.csv", "paris.csv"]


@pytest.mark.parametrize("cell", ['="007"', "'007", "'ann'"])
def test_ids_of_which_some_are_protected_are_said(cell: str, caplog: pytest.LogCaptureFixture) -> None:
    log = {"user_id": [cell, "7", "8"], "item_id": ["a", "b", "c"], "timestamp": [1, 2, 3]}
    items = {"item_id": ["a", "b", "c", cell], "title": list("ABCD")}
    data = Dataset.from_tables(log, items=items, keep_unseen_items=True)
    assert cell in set(data.events["user_id"]) and cell in data.catalog.ids
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([line for line in said if f"of 3 ids are written as {cell}, which others are not" in line]) == 1
    assert len([line for line in said if f"of 4 ids are written as {cell}, which others are not" in line]) == 1


def test_ids_that_are_kept_stay_as_they_are() -> None:
    """A part of a log may hold protected ids alone: its catalog knows them as they are."""
    ids = pl.Series("item_id", ["'71'", "'71'"])
    assert encode_ids(ids, label="log").names.to_list() == ["'71'"]
    assert encode_ids(ids, label="log", raw=True).names.to_list() == ["71"]
    unused = pl.Series("item_id", ["'a'"], dtype=pl.Enum(["item_id", "'a'"]))
    assert encode_ids(unused, label="log", raw=True).names.to_list() == ["a"]


def test_titles_with_apostrophes_are_titles() -> None:
    titles = pl.Series(["'Salem's Lot", "'Til Tuesday", None])
    assert unprotected(titles, apostrophes=False).equals(titles)
    assert unprotected(pl.Series(["'It''s'", "'a'"]), apostrophes=False).to_list() == ["It's", "a"]
    assert bare_names(["'user'", "item"]) == ["'user'", "item"]
