"""The catalog taken from the log itself, where the log says what its items are."""

from __future__ import annotations

import logging

import polars as pl
import pytest

from llmrec.data import Dataset
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
