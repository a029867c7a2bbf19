"""Catalogs: the types of their columns are settled, HTML entities in text are decoded once; both are said."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.steps import note as note_of

from llmrec.data import Catalog, Dataset
from llmrec.errors import DataError

EVENTS = {"user_id": ["u", "u", "u"], "item_id": ["a", "b", "c"]}


def titles(*written: str) -> tuple[list[str], list[str]]:
    items = {"item_id": ["a", "b", "c"][: len(written)], "title": list(written)}
    events = {name: values[: len(written)] for name, values in EVENTS.items()}
    data = Dataset.from_tables(events, items=items)
    return data.catalog.titles, [step.note for step in data.steps if "HTML" in step.name]


def test_entities_in_titles_are_decoded_and_counted() -> None:
    decoded, notes = titles("Tom &amp; Jerry&#39;s", "D&#xE9;j&agrave; vu", "Plain & simple")
    assert decoded == ["Tom & Jerry's", "Déjà vu", "Plain & simple"]
    assert notes == ["2 of 3, e.g. 'Tom &amp; Jerry&#39;s' is \"Tom & Jerry's\""]


@pytest.mark.parametrize("title", ["AT&T; the story", "R&D", "&nosuchname;", "a && b;", "&copy", "&;"])
def test_what_is_no_entity_stays(title: str) -> None:
    assert titles(title) == ([title], [])


def test_they_are_decoded_once_and_break_no_line() -> None:
    assert titles("&amp;amp;", "two&#10;lines", "no&nbsp;break")[0] == ["&amp;", "two lines", "no break"]


def test_a_catalog_from_the_log_too() -> None:
    data = Dataset.from_tables(EVENTS | {"title": ["Q&amp;A", "B", "C"]})
    assert data.catalog.titles == ["Q&A", "B", "C"]


def test_other_text_too_but_no_id() -> None:
    items = {"item_id": ["R&amp;D"], "title": ["T"], "publisher": ["House &amp; Co"]}
    data = Dataset.from_tables({"user_id": ["u"], "item_id": ["R&amp;D"]}, items=items)
    assert data.catalog.table.rows() == [("R&amp;D", "T", "House & Co")]
    assert "HTML entities decoded in column publisher" in [step.name for step in data.steps]


CATALOG = {
    "csv": (
        "item_id,title,price,pages,in_print,genres,year,isbn,weight_class\n"
        "a,1984,9.50,300,true,7,1949,0451524934,B\nb,Emma,10,412,False,8,1815,0141439580,1\nc,It,n/a,,,9,1986,11,2\n"
    ),
    "jsonl": (
        '{"item_id": "a", "title": "1984", "price": 9.5, "pages": 300, "in_print": true, "genres": "7",'
        ' "year": 1949}\n{"item_id": "b", "title": "Emma", "price": 10, "pages": 412, "in_print": false,'
        ' "genres": "8", "year": 1815}\n{"item_id": "c", "title": "It", "genres": "9", "year": 1986}\n'
    ),
}


@pytest.mark.parametrize("ending", CATALOG)
def test_a_catalog_s_columns_are_what_their_cells_are(ending: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,a\nu,b\nu,c\n")
    (tmp_path / f"items.{ending}").write_text(CATALOG[ending])
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / f"items.{ending}")
    table = data.catalog.table
    assert table["price"].to_list() == [9.5, 10.0, None]
    assert table["pages"].to_list() == [300, 412, None]
    assert table["in_print"].to_list() == [True, False, None]
    assert table["year"].to_list() == ["1949", "1815", "1986"]
    assert {table.schema[name] for name in ("title", "genres")} == {pl.String}
    note = note_of(data, "item columns read as")
    assert note.startswith("price decimal, pages whole number, in_print true/false, genres text, year text")


def test_a_price_of_words_among_numbers_is_blank_and_counted(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,a\nu,b\nu,c\n")
    (tmp_path / "items.csv").write_text("item_id,title,price\na,A,$9.50\nb,B,on request\nc,C,$10\n")
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "items.csv")
    assert data.catalog.table["price"].to_list() == [9.5, None, 10.0]
    assert "1 of 3 cells are no numbers, such as 'on request'" in next(
        step.note for step in data.steps if step.name.startswith("price: ")
    )
    (tmp_path / "items.csv").write_text("item_id,title,price\na,A,low\nb,B,high\nc,C,3\n")
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "items.csv")
    assert data.catalog.table["price"].to_list() == ["low", "high", "3"]


def test_new_items_take_the_catalog_s_types() -> None:
    table = {"item_id": ["a"], "title": ["A"], "price": [9.5], "in_print": [True]}
    new = {"item_id": ["b", "c"], "title": ["B", "C"], "price": ["7", None], "in_print": ["False", "TRUE"]}
    rows = Catalog(pl.DataFrame(table)).rows_of(new).rows()
    assert rows == [("b", "B", 7.0, False), ("c", "C", None, True)]


def test_words_for_nothing_are_blank_but_in_titles(caplog: pytest.LogCaptureFixture) -> None:
    items = {"item_id": ["a", "b"], "title": ["A", "NA"], "year": ["\\N", "1999"], "genres": ["None", "Drama"]}
    data = Dataset.from_tables({"user_id": ["u", "u"], "item_id": ["a", "b"]}, items=items)
    assert data.catalog.table.rows() == [("a", "A", None, None), ("b", "NA", "1999", "Drama")]
    notes = {step.name: step.note for step in data.steps}
    assert notes["year: words for nothing"] == "1 of 2 cells, such as '\\\\N', are read as blank"
    assert "titles that say nothing: 1 of 2 cells, such as 'NA'" in caplog.text


@pytest.mark.parametrize("form", ["jsonl", "frame"])
def test_a_row_with_several_ids_is_refused(form: str, tmp_path: Path) -> None:
    log = {"user_id": ["u"], "item_id": ["a"]}
    with pytest.raises(DataError, match=r"item_id holds lists, such as .*write a row for each id"):
        if form == "frame":
            Dataset.from_tables(log, items={"item_id": [["a", "b"]], "title": ["A"]})
        else:
            pl.DataFrame(log).write_csv(tmp_path / "log.csv")
            (tmp_path / "items.jsonl").write_text('{"item_id": ["a", "b"], "title": "A"}\n')
            Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "items.jsonl")


def test_titles_in_a_wrong_encoding_are_said() -> None:
    table = {"item_id": ["a", "b", "c"], "title": ["Café".encode().decode("cp1252"), "Amélie, Ã la carte", "Up"]}
    log = {"user_id": ["u", "u", "u"], "item_id": ["a", "b", "c"]}
    data = Dataset.from_tables(log, items=table)
    notes = [step.note for step in data.steps if step.name == "titles in a wrong encoding"]
    assert notes == ["1 of 3, e.g. 'CafÃ©': export them again as UTF-8"]
