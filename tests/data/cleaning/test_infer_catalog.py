"""The catalog taken from the log itself, where the log says what its items are."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.describe import describe
from llmrec.errors import DataError

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}


def test_the_catalog_from_the_log_itself(caplog: pytest.LogCaptureFixture) -> None:
    rows = [("a", "Film A", "x")] * 18 + [("a", "Old", None), ("a", " ", "x"), ("b", "Film B", None)]
    log = pl.DataFrame(rows, schema=["item_id", "Product Name", "genres"], orient="row").with_row_index(
        "timestamp"
    )
    with caplog.at_level(logging.INFO):
        data = Dataset.from_tables(log.with_columns(user_id=pl.lit("u"), timestamp=pl.col("timestamp") * 9))
    assert data.events.columns == ["user_id", "item_id", "timestamp"]
    assert data.catalog.table.rows() == [("a", "Film A", "x"), ("b", "Film B", None)]
    assert "the catalog is taken from its column Product Name" in caplog.text
    with pytest.raises(DataError, match="1 of 2 items have no title"):
        Dataset.from_tables(
            log[:20]
            .with_columns(user_id=1)
            .vstack(log[20:].with_columns(pl.lit("").alias("Product Name"), user_id=1))
        )


def test_titles_that_differ_between_events_are_no_titles(caplog: pytest.LogCaptureFixture) -> None:
    reviews = EVENTS | {"item_id": ["a", "a", "a"], "title": ["Wow", "Meh", "Good"]}
    data = Dataset.from_tables(reviews)
    assert data.catalog.titles == ["a"]
    assert data.events["title"].to_list() == ["Wow", "Meh", "Good"]
    assert "differs between events of one item" in caplog.text


def shop(columns: dict[str, str], n_users: int = 30) -> pl.DataFrame:
    """A log in one file: of item 3 each column says ``NAME 3``."""
    rows = [
        {"Customer ID": user, "SKU": f"s-{item}", "Time": 1_600_000_000 + 99 * n}
        | {name: f"{value} {item}" for name, value in columns.items()}
        for user in range(n_users)
        for n, item in enumerate(range(user % 5, user % 5 + 4))
    ]
    return pl.DataFrame(rows)


def test_names_of_columns_in_any_case_are_read() -> None:
    log = shop({"Product Name": "Lamp", "Category": "Home", "Brand": "Acme"}, 2).with_columns(
        Segment=pl.lit("web")
    )
    data = Dataset.from_tables(log)
    assert data.catalog.table.columns == ["item_id", "title", "category", "brand"]
    assert data.events.columns == ["user_id", "item_id", "timestamp", "Segment"]


def test_text_that_an_item_s_events_share_describes_it(caplog: pytest.LogCaptureFixture) -> None:
    columns = {"Product Name": "Lamp", "Sub-Category": "Kind", "item.category": "Home"}
    log = shop(columns).with_columns(
        City=pl.format("city {}", pl.col("Customer ID") % 3), Channel=pl.lit("web"), Note=pl.lit(None, pl.String)
    )
    with caplog.at_level(logging.INFO):
        data = Dataset.from_tables(log)
    assert data.catalog.table.row(0) == ("s-0", "Lamp 0", "Kind 0", "Home 0")
    assert data.catalog.table.columns == ["item_id", "title", "Sub-Category", "category"]
    assert data.events.columns == ["user_id", "item_id", "timestamp", "City", "Channel", "Note"]
    assert "these columns describe items: Sub-Category, item.category" in caplog.text


def test_a_few_events_may_agree_by_chance() -> None:
    data = Dataset.from_tables(shop({"Product Name": "Lamp", "Shelf": "Kind"}, 4))
    assert "Shelf" in data.events.columns


def test_names_that_tell_items_from_each_other_are_titles() -> None:
    log = shop({"artist-name": "Band", "track-name": "Song"}).rename({"SKU": "track-id"})
    artist = pl.col("artist-name").str.replace("[0-3]", "A").str.replace("[4-7]", "B")
    log = log.with_columns(artist, user_name=pl.format("U {}", "Customer ID"))
    data = Dataset.from_tables(log)
    assert data.catalog.titles[:2] == ["Song 0", "Song 1"]
    assert data.catalog.table["artist"].to_list() == ["Band A"] * 4 + ["Band B"] * 4
    assert "user_name" in data.events.columns


def test_ids_that_are_names_are_titles(caplog: pytest.LogCaptureFixture) -> None:
    games = {"user_id": ["u", "u", "v"], "item_id": ["Half-Life 2", "Portal", "The Elder Scrolls V"]}
    with caplog.at_level(logging.INFO):
        data = Dataset.from_tables(games)
        assert "the ids are titles, such as 'Half-Life 2'" in caplog.text
        Dataset.from_tables(games | {"item_id": ["B00A", "B00B", "B00C"]})
    assert "name the column that holds it with --column title=NAME" in caplog.text
    assert "most items have no text" not in str(describe(data)["value"].to_list())


def large(n_users: int = 300, n_items: int = 40) -> pl.DataFrame:
    """A log of 6,000 events, each user's of 20 items."""
    rows = [
        {"user_id": user, "item_id": f"s-{(user * 7 + n * 3) % n_items}", "timestamp": 1_600_000_000 + 99 * n}
        for user in range(n_users)
        for n in range(20)
    ]
    return pl.DataFrame(rows).with_row_index("n")


def test_a_word_that_nearly_all_events_have_says_nothing_of_items() -> None:
    seldom = pl.col("n") % 250 == 7
    log = large().with_columns(
        status=pl.when(seldom).then(pl.lit("cancelled")).otherwise(pl.lit("completed")),
        platform=pl.when(seldom).then(pl.lit("app")).otherwise(pl.lit("web")),
        hall=pl.when(pl.col("item_id") == "s-3").then(pl.lit("B")).otherwise(pl.lit("A")),
    )
    data = Dataset.from_tables(log)
    assert data.events.columns == ["user_id", "item_id", "timestamp", "n", "status", "platform", "positive_target"]
    assert data.positive.n_negatives == 24
    assert data.catalog.table.columns == ["item_id", "title", "hall"]


def test_how_an_event_ended_is_never_an_item_s() -> None:
    log = large().with_columns(status=pl.when(pl.col("item_id") == "s-3").then(pl.lit("returned")).otherwise(None))
    data = Dataset.from_tables(log.with_columns(pl.col("status").fill_null("shipped")))
    assert data.positive.n_negatives == log["status"].count() > 0


def test_a_coupon_of_an_item_is_not_in_all_its_events() -> None:
    coupon = pl.when(pl.col("n") % 5 == 0).then(pl.format("SAVE {}", "item_id"))
    data = Dataset.from_tables(large().with_columns(coupon=coupon))
    assert data.events["coupon"].count() == 1200
    assert "coupon" not in data.catalog.table.columns


def test_what_users_and_items_share_stays_in_the_log() -> None:
    log = large().with_columns(pl.format("{}-{}", "item_id", pl.col("user_id") % 4).alias("item_id"))
    country = pl.format("country {}", pl.col("user_id") % 4)
    data = Dataset.from_tables(log.with_columns(country=country))
    assert data.events["country"].n_unique() == 4
    assert "country" not in data.catalog.table.columns


@pytest.mark.parametrize(
    ("column", "condition"),
    [("Shelf", "Shelf = 'Kind 1'"), ("Category", "Category = 'Kind 1'"), ("Year", "Year < 2002")],
)
def test_conditions_may_name_columns_that_describe_items(column: str, condition: str) -> None:
    number = pl.col("item_id").str.strip_prefix("s-").cast(pl.Int64) % 4
    cells = number + 2000 if column == "Year" else pl.format("Kind {}", number)
    log = large().with_columns(cells.cast(pl.String).alias(column))
    data = Dataset.from_tables(log, drop_where=[condition])
    assert 0 < data.events.height < log.height
    assert (
        data.events[column].n_unique()
        == data.catalog.table[column if column == "Shelf" else column.lower()].n_unique()
    )
    assert Dataset.from_tables(log, positive=condition).positive.n_negatives == data.events.height


def test_names_in_another_case_describe_items_only_where_their_events_agree(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = large().with_columns(
        Category=pl.when(pl.col("user_id") % 2 == 0).then(pl.lit("gold")).otherwise(pl.lit("silver")),
        Year=(pl.col("n") % 3 + 2019).cast(pl.String),
    )
    data = Dataset.from_tables(log)
    assert data.events.schema["Year"] == pl.Int64
    assert data.catalog.table.columns == ["item_id", "title"]
    assert "events: Category, Year: differs between events of one item, so it stays in the log" in caplog.text
    once = log.unique("item_id", keep="first", maintain_order=True)
    assert "Year" in Dataset.from_tables(once).events.columns


def test_who_sells_an_item_and_what_users_do_are_no_titles() -> None:
    number = pl.col("item_id").str.strip_prefix("s-").cast(pl.Int64)
    log = large().with_columns(
        seller_name=pl.format("Shop {}", number // 2 * pl.when(number > 20).then(1).otherwise(2))
    )
    data = Dataset.from_tables(log)
    assert data.catalog.titles[:2] == ["s-0", "s-1"]
    assert "seller_name" in data.catalog.table.columns
    once = log.drop("seller_name").unique("item_id", keep="first", maintain_order=True)
    jobs = once.with_columns(job_title=pl.format("Job {}", "user_id"))
    assert Dataset.from_tables(jobs).catalog.titles[0] == "s-0"
