"""Triples beside the catalog: columns of the items, and what is wrong with a file of them."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.errors import DataError

EVENTS = "user_id,item_id,timestamp\nu,1,1\nu,2,2\nv,2,1\nv,3,2\n"
ITEMS = "item_id,title,genres\n1,Rocky,Drama\n2,Rocky II,Drama\n3,Fargo,Crime\n"
TRIPLES = """head,relation,tail
1,director,Avildsen
2,director,Stallone
2,sequel of,1
1,sequel of,2
9,director,Nobody
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in {"events": EVENTS, "items": ITEMS, "triples": TRIPLES}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def related(files: Path, triples: str | None = None) -> pl.DataFrame:
    if triples is not None:
        (files / "triples.csv").write_text(triples, encoding="utf-8")
    data = Dataset.from_csv(files / "events.csv", items=files / "items.csv", relations=files / "triples.csv")
    return data.catalog.table


def test_relations_are_columns_and_tails_that_are_items_are_titles(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        table = related(files)
    assert table["director"].to_list() == [["Avildsen"], ["Stallone"], None]
    assert table["sequel of"].to_list() == [["Rocky II"], ["Rocky"], None], "a cycle is two triples"
    (message,) = [one for one in caplog.messages if "left out" in one]
    assert message == "triples.csv: 1 of 5 triples are left out, their heads are no items, e.g. '9'"


def test_a_prepared_folder_keeps_them(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "prepare", files / "events.csv", "--items", files / "items.csv", "--out", files / "out"]
    assert run([str(word) for word in (*words, "--relations", files / "triples.csv")]) == 0
    capsys.readouterr()
    assert Dataset.load(files / "out").catalog.table["director"].to_list()[0] == ["Avildsen"]


def test_repeats_and_an_item_s_relation_to_itself_say_nothing(files: Path) -> None:
    table = related(files, "head_id:token,relation_id:token,tail_id:token\n1,brand,A\n1,brand,A\n1,like,1\n")
    assert table["brand"].to_list() == [["A"], None, None]
    assert "like" not in table.columns


@pytest.mark.parametrize(
    ("triples", "message"),
    [
        ("head,relation,tail\n8,brand,A\n9,brand,B\n", "no head of its 2 triples is an item, e.g. '8'"),
        ("head,relation,tail\n1,genres,War\n", "the relation 'genres' is a column of the items already"),
        ("head,tail\n1,2\n", "no column 'relation' among head, tail; a triple has head"),
        ("head,relation,tail\n1,like,1\n", "it holds no triple"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(files: Path, triples: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        related(files, triples)
    assert "\n" not in str(error.value)


def test_a_bad_file_of_triples_ends_prepare_with_2(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "prepare", files / "events.csv", "--items", files / "items.csv", "--out", files / "out"]
    assert run([str(word) for word in (*words, "--relations", files / "none.csv")]) == 2
    assert "none.csv does not exist" in capsys.readouterr().err
    assert not (files / "out").exists()
