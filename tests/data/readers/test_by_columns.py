"""Folders whose file names do not say which is the log and which the catalog: their columns do."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers.headers import column_names_of
from llmrec.errors import DataError

EVENTS = pl.DataFrame(
    {"userID": ["u", "u", "v"], "artistID": [1, 2, 1], "date": ["2024-01-01"] * 3, "asin": [None] * 3}
)
ARTISTS = pl.DataFrame({"id": [1, 2], "name": ["Duran", "Blur"]})


def test_the_catalog_is_the_file_with_titles_for_the_log_s_ids(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    EVENTS.write_csv(tmp_path / "user_artists.dat", separator="\t")
    ARTISTS.write_csv(tmp_path / "artists.dat", separator="\t")
    pl.DataFrame({"id": [1, 2], "name": ["Ann", "Bob"]}).write_csv(tmp_path / "customers.csv")
    with caplog.at_level(logging.INFO):
        assert Dataset.from_files(tmp_path).catalog.titles == ["Duran", "Blur"]
    assert "events from user_artists.dat, items from artists.dat" in caplog.text
    assert "not read: customers.csv" in caplog.text


def test_a_catalog_whose_titles_are_in_another_encoding_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "BX-Book-Ratings.csv").write_text('"User-ID";"ISBN"\n"7";"1"\n"7";"2"\n', encoding="utf-8")
    (tmp_path / "BX-Books.csv").write_bytes('"ISBN";"Book-Title"\n"1";"Über"\n"2";"Emma"\n'.encode("cp1252"))
    (tmp_path / "BX-Users.csv").write_bytes('"User-ID";"Location"\n"7";"Köln"\n'.encode("cp1252"))
    with pytest.raises(DataError, match=r"BX-Books.csv: line 2 is not UTF-8 text; .* --encoding cp1252"):
        Dataset.from_files(tmp_path)
    assert Dataset.from_files(tmp_path, encoding="cp1252").catalog.titles == ["Über", "Emma"]
    (tmp_path / "BX-Users.csv").write_bytes('"用户id";"Location"\n"7";"Köln"\n'.encode("gb18030"))
    assert column_names_of(tmp_path / "BX-Users.csv") == []


def test_other_tables_are_no_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    EVENTS.write_csv(tmp_path / "ratings.csv")
    ARTISTS.rename({"id": "artistID"}).write_parquet(tmp_path / "people.parquet")
    (tmp_path / "notes.jsonl").write_text('{"artistID": 1, "name": {"first": "x"}}\n', encoding="utf-8")
    assert Dataset.from_files(tmp_path).catalog.titles == ["Duran", "Blur"]
    ARTISTS.rename({"id": "artistID"}).write_csv(tmp_path / "more.csv")
    assert Dataset.from_files(tmp_path).catalog.titles == ["1", "2"]
    assert "more.csv, people.parquet may each be the catalog; name one with --items" in caplog.text


def test_ids_that_are_blank_are_no_ids(tmp_path: Path) -> None:
    books = pl.DataFrame({"asin": ["", "B1"], "book_id": ["1", "2"], "title": ["A", "B"]})
    log = {"user_id": ["u", "u"], "asin": [None, None], "book_id": ["1", "2"], "timestamp": [1, 2]}
    data = Dataset.from_tables(log, items=books, time_format="order")
    assert data.catalog.table.select("item_id", "title").rows() == [("1", "A"), ("2", "B")]


@pytest.mark.parametrize("text", ['{\n"rows": 3\n}\n', '{"rows": 3}\n'])
def test_statistics_beside_a_table_in_parts_are_not_read(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = EVENTS.rename({"artistID": "item_id"})
    for folder in (tmp_path / "flat", tmp_path / "nested/day=1"):
        folder.mkdir(parents=True)
        log.write_parquet(folder / "part-0.parquet")
    for folder in (tmp_path / "flat", tmp_path / "nested"):
        (folder / "stats.json").write_text(text, encoding="utf-8")
        log.write_csv(folder / "sample.csv")
        assert Dataset.from_files(folder).events["user_id"].to_list() == ["u", "u", "v"]
    assert "flat: not read: sample.csv, stats.json" in caplog.text


def test_what_lies_beside_a_log_and_its_catalog_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = EVENTS.rename({"artistID": "item_id"})
    log.write_csv(tmp_path / "transactions.csv")
    log.write_csv(tmp_path / "returns.csv")
    ARTISTS.write_csv(tmp_path / "items.csv")
    assert Dataset.from_files(tmp_path).events.height == 3
    assert "not read: returns.csv" in caplog.text
