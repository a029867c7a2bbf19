"""Column names: well-known ones are mapped and logged, others are given by name."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers.column_names import name_items
from llmrec.data.readers.read import read_events, read_raw
from llmrec.errors import DataError

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}
ITEMS = {"item_id": ["a", "b"], "title": ["Film A", "Film B"]}
EXPECTED = Dataset.from_tables(EVENTS, items=ITEMS).fingerprint


@pytest.mark.parametrize(
    "header",
    ["userId,movieId,timestamp", "User ID,Item ID,Time", "reviewerID,asin,unixReviewTime", "uid,iid,ts"],
)
def test_known_names_are_mapped_and_the_mapping_is_logged(
    tmp_path: Path, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "log.csv"
    file.write_text(f"{header}\nu1,007,10\n")
    with caplog.at_level(logging.INFO):
        assert read_events(file).frame.columns == ["user_id", "item_id", "timestamp"]
    assert f"{header.split(',')[0]} -> user_id" in caplog.text


def test_our_column_name_wins_over_an_alias(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("asin,parent_asin,user_id,date,timestamp\na,p,u,2020,5\n")
    assert read_events(file).frame.to_dicts() == [
        {"asin": "a", "item_id": "p", "user_id": "u", "date": "2020", "timestamp": "5"}
    ]


def test_columns_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pl.DataFrame(EVENTS).rename({"user_id": "who", "item_id": "sku"})
    texts = pl.DataFrame(ITEMS).rename({"item_id": "sku", "title": "label"})
    columns = {"user_id": "who", "item_id": "sku", "title": "label"}
    with caplog.at_level(logging.INFO):
        assert Dataset.from_tables(frame, items=texts, columns=columns).fingerprint == EXPECTED
    assert "who -> user_id, sku -> item_id" in caplog.text
    with pytest.raises(DataError, match="--column title=lable: items has no column 'lable'; it has sku, label"):
        Dataset.from_tables(frame, items=texts, columns=columns | {"title": "lable"})
    with pytest.raises(
        DataError, match=r"--column price=cost: no table has a column 'cost'; events has who, .*; items"
    ):
        Dataset.from_tables(frame, items=texts, columns=columns | {"price": "cost"})
    with pytest.raises(DataError, match="with --column user_id=NAME"):
        Dataset.from_tables(frame)
    swapped = pl.DataFrame(EVENTS).with_columns(user_id=pl.lit("x"), buyer=pl.col("user_id"))
    data = Dataset.from_tables(swapped, items=ITEMS, columns={"user_id": "buyer"})
    assert data.events["user_id"].to_list() == ["u", "u", "v"]
    assert data.events["user_id_was"].to_list() == ["x"] * 3


def test_items_without_a_title_column(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,colour\n1,red\n")
    with pytest.raises(DataError, match=r"items\.csv: no column 'title' among its columns item_id, colour"):
        name_items(read_raw(tmp_path / "items.csv"), label="items.csv")


@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__"])
def test_the_index_of_a_data_frame_is_no_column(name: str) -> None:
    """Numbered rows would all differ: none would be a duplicate."""
    rows = {name: [0, 1], "user_id": ["u", "u"], "item_id": ["a", "a"], "timestamp": [1_600_000_000] * 2}
    data = Dataset.from_tables(rows)
    assert data.events.columns == ["user_id", "item_id", "timestamp"]
    assert data.events.height == 1
    kept = Dataset.from_tables(rows, columns={"row": name})
    assert kept.events.height == 2


def test_a_likely_column_is_suggested() -> None:
    games = {"player": ["u"], "game_title": ["Portal"], "value": [1.0]}
    with pytest.raises(
        DataError, match=r"no column 'user_id' .*; if it is 'player', say --column user_id=player; "
    ):
        Dataset.from_tables(games)
    with pytest.raises(DataError, match=r"no column 'item_id' .*; if it is 'game_title', say --column item_id="):
        Dataset.from_tables(games, columns={"user_id": "player"})
    with pytest.raises(
        DataError, match=r"no column 'user_id' .*; if it is 'Shop user', say --column user_id='Shop"
    ):
        Dataset.from_tables({"item": ["a"], "Shop user": [1]})


@pytest.mark.parametrize("first", ["user_000001\t2009-05-04T23:08:57Z\tart\ttitle", f"{'0f' * 20}\tb\tc\td"])
def test_a_first_line_of_dates_or_keys_is_data(tmp_path: Path, first: str) -> None:
    (tmp_path / "log.tsv").write_text(f"{first}\n{first}\n")
    with pytest.raises(DataError, match="its first line looks like data, not like names of columns"):
        Dataset.from_files(tmp_path / "log.tsv")


def test_a_catalog_s_columns_have_the_names_that_prompts_read() -> None:
    books = {"ISBN": ["a", "b"], "Book-Title": ["A", "B"], "Book-Author": ["X", "Y"], "Publisher": ["P", "Q"]}
    data = Dataset.from_tables({"User-ID": ["u", "u"], "ISBN": ["a", "b"], "Book-Rating": [5, 0]}, items=books)
    assert data.catalog.table.columns == ["item_id", "title", "author", "publisher"]
    assert data.positive.n_negatives == 1


def test_a_field_of_an_object_is_known_by_its_last_part() -> None:
    log = {"properties.product_id": ["a", "b"], "userId": ["u", "u"], "referrer.url": ["x", "x"]}
    assert Dataset.from_tables(log).events["item_id"].to_list() == ["a", "b"]
    with pytest.raises(DataError, match="no column 'item_id' among"):  # which of them?
        Dataset.from_tables(log | {"referrer.product_id": ["c", "c"]})


def test_a_matrix_is_no_log() -> None:
    with pytest.raises(DataError, match=r"20 columns such as joke19: where each is an item, write a row for each"):
        Dataset.from_tables({"user": [1, 2], **{f"joke{n}": [n, None] for n in range(20)}})


def test_a_time_goes_before_a_day() -> None:
    log = {"user_id": ["u", "u"], "item_id": ["a", "b"], "event_date": ["2024-01-01"] * 2}
    data = Dataset.from_tables(log | {"event_timestamp": [1_700_000_060, 1_700_000_000]})
    assert data.events["item_id"].to_list() == ["b", "a"]


def test_conditions_may_name_columns_as_the_log_does() -> None:
    log = EVENTS | {"user_rating": ["1", "4", "5"]}
    data = Dataset.from_tables(log, drop_where=["user_rating < 2"])
    assert data.events["rating"].to_list() == data.events["user_rating"].to_list() == [4, 5]


def test_an_event_s_name_is_a_behavior_where_one_is_known() -> None:
    concerts = EVENTS | {"event_name": ["Ode", "Requiem", "Ode"]}
    assert "event_name" in Dataset.from_tables(concerts).events.columns
    clicks = EVENTS | {"event_name": ["page_view", "add_to_cart", None]}
    assert "behavior" in Dataset.from_tables(clicks).events.columns


@pytest.mark.parametrize(
    ("title", "other"),
    [
        ("name", "game_title"),
        ("product_name", "business_name"),
        ("description", "artist_name"),
        ("name", "job_title"),
    ],
)
def test_the_name_of_an_item_is_its_title_beside_other_names(title: str, other: str) -> None:
    table = pl.DataFrame({"item_id": ["a"], other: ["Other"], title: ["Lamp"]})
    assert name_items(table, label="items")["title"].to_list() == ["Lamp"]


def test_pages_that_are_no_items_leave_the_item_s_column() -> None:
    log = {"user_id": ["u"] * 4, "product_id": ["", "", "", "p"], "content_id": ["a", "b", "c", "d"]}
    assert Dataset.from_tables(log).events["item_id"].to_list() == ["p"]


def test_an_account_is_the_user_before_the_client() -> None:
    log = {"client_id": ["web", "app"], "account_id": ["x", "y"], "item_id": ["a", "b"]}
    assert Dataset.from_tables(log).events["user_id"].to_list() == ["x", "y"]


def test_conditions_on_a_log_in_parts_may_name_columns_as_it_does(tmp_path: Path) -> None:
    log = pl.DataFrame(EVENTS | {"user_rating": [1, 4, 5]})
    for part in (1, 2):
        log.with_columns(timestamp=pl.col("timestamp") * part + 1).write_csv(tmp_path / f"part{part}.csv")
    assert Dataset.from_files(tmp_path, drop_where=["user_rating < 2"]).events["rating"].sort().to_list() == [
        4,
        4,
        5,
        5,
    ]
