"""Events that are sent become the columns that a run's histories have; what was sent back is no choice."""

from __future__ import annotations

import polars as pl
import pytest
from support.serving import NEEDS

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec.data import Catalog, Dataset
from llmrec.data.columns import POSITIVE
from llmrec.serve.histories import event_table
from llmrec.serve.titles import TitleSearch

SCHEMA = {"item_id": pl.String(), "timestamp": pl.Int64(), "behavior": pl.String(), "rating": pl.Float64()}
EVENTS = [
    {"item_id": "1", "timestamp": 1.75, "behavior": "view"},
    {"item_id": "2", "timestamp": 2.0, "behavior": "return", "colour": "red"},
    {"item_id": "3", "positive": False},
]


def test_events_take_the_columns_of_a_run() -> None:
    table = event_table(EVENTS, SCHEMA, {"rule": "default"})
    assert table.schema == {**SCHEMA, POSITIVE: pl.Boolean()}
    assert table["timestamp"].to_list() == [1, 2, None]
    assert table[POSITIVE].to_list() == [True, False, False]
    assert event_table(EVENTS, SCHEMA, {"rule": "all"})[POSITIVE].to_list() == [True, True, False]
    assert event_table(EVENTS[:1], {"item_id": pl.String()}, {"rule": "default"}).columns == ["item_id"]


def test_a_run_s_rule_says_what_is_no_choice() -> None:
    events = [{"item_id": "1", "rating": 2.0}, {"item_id": "2", "rating": 5.0}]
    assert event_table(events, SCHEMA, {"rule": "rating >= 4"})[POSITIVE].to_list() == [False, True]
    assert POSITIVE not in event_table(events, SCHEMA, {"rule": "price >= 4"}).columns


def test_a_run_s_log_says_what_a_few_events_do_not() -> None:
    """One star alone tells no scale, and a word of the log's own is known by the log only."""
    events: list[dict[str, object]] = [
        {"item_id": "1", "rating": 1.0},
        {"item_id": "2", "behavior": "meh"},
        {"item_id": "3", "rating": 2.0},
    ]
    assert POSITIVE not in event_table(events, SCHEMA, {"rule": "default"}).columns
    settled = {"rule": "default", "negatives": {"rating of at most 1 of 5": 9, "behavior meh": 3}}
    assert event_table(events, SCHEMA, settled)[POSITIVE].to_list() == [False, False, True]
    assert POSITIVE not in event_table(events, SCHEMA, {**settled, "rule": "all"}).columns


def test_ratings_that_are_sent_are_read_by_the_scale_of_the_run_s_log() -> None:
    rows = {"user_id": ["u"] * 3, "item_id": ["1", "2", "3"], "timestamp": [60, 120, 180], "rating": [1, 5, 10]}
    settled = Dataset.from_tables(rows, time_format="seconds").positive.to_dict()
    events = [{"item_id": "1", "rating": 1.0}, {"item_id": "2", "rating": 5.0}, {"item_id": "3", "rating": 0.0}]
    assert event_table(events, SCHEMA, settled)[POSITIVE].to_list() == [True, True, False]


def test_titles_are_searched_without_case_and_accents() -> None:
    titles = ["Amélie", "The Lamp", "lamps of AMELIE", "A Clamp", "Ｌａｍｐ", ""]
    catalog = Catalog(pl.DataFrame({"item_id": ["a", "b", "c", "d", "e", "lamp"], "title": titles}))

    def search(text: str, most: int = 9) -> list[str]:
        return TitleSearch(catalog).search(text, most)["item_id"].to_list()

    assert search("amelie") == ["a", "c"]
    assert search("lamp") == ["lamp", "e", "c", "b", "d"]
    assert search("amelie lamp") == ["c"]
    assert search("lamp", 2) == ["lamp", "e"]
    assert search("(.*") == []
    assert len(search("")) == 6
