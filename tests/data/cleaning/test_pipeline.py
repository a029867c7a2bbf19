"""Cleaning: what is refused, what is removed and counted, and in which order events come out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.properties import searched

from llmrec.data.cleaning import pipeline
from llmrec.data.cleaning.pipeline import Cleaned
from llmrec.data.cleaning.table import RawLog, Table
from llmrec.errors import DataError

Rows = list[tuple[str | None, str | None, int]]


def log(rows: Rows) -> pl.DataFrame:
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def items(**titles: str | None) -> pl.DataFrame:
    return pl.DataFrame({"item_id": list(titles), "title": list(titles.values())})


def clean(events: pl.DataFrame, items: pl.DataFrame | None, **options: Any) -> Cleaned:
    return pipeline.clean(
        lambda: RawLog(events, "events"), None if items is None else lambda: Table(items, "items.csv"), **options
    )


def removed(cleaned: Cleaned) -> dict[str, int]:
    return {f"{step.table}: {step.name}": step.removed for step in cleaned.steps if step.removed}


START = 1_600_000_000
LOG = log([("u", "a", START), ("u", "b", START + 100), ("v", "a", START + 50)])
ITEMS = items(a="Film A", b="Film B")


def test_clean_data_passes_unchanged() -> None:
    cleaned = clean(LOG, ITEMS)
    assert cleaned.events.equals(LOG)
    assert cleaned.items.equals(ITEMS)
    assert not removed(cleaned)
    assert not cleaned.order_only


def test_ties_keep_the_order_of_the_log_and_parts_of_a_second_count() -> None:
    rows = [("u", "c", 7.75), ("u", "b", 9.0), ("u", "a", 9.0), ("u", "d", 7.25)]
    cleaned = clean(
        pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"), None, time_format="seconds"
    )
    assert cleaned.events.rows() == [("u", "d", 7.25), ("u", "c", 7.75), ("u", "b", 9.0), ("u", "a", 9.0)]


def test_rows_without_ids_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    rows: Rows = [("u", "a", 1), (None, "a", 2), ("u", None, 3), (" ", "b", 4), ("u", "b", 5)]
    cleaned = clean(log(rows), ITEMS)
    assert removed(cleaned) == {"events: missing user or item id": 3}
    assert "events: removed 3 of 5 rows: missing user or item id" in caplog.text


def test_exact_duplicates_go_but_not_where_time_is_only_order() -> None:
    assert removed(clean(log([("u", "a", 5), ("u", "a", 5), ("u", "a", 6)]), ITEMS)) == {
        "events: exact duplicate": 1,
        "items: no event names it": 1,
    }
    cleaned = clean(LOG.drop("timestamp")[[0, 0, 2]], ITEMS)
    assert cleaned.order_only
    assert cleaned.events.rows() == [("u", "a", 0), ("u", "a", 1), ("v", "a", 0)]


@pytest.mark.parametrize("start", [0, 1])
def test_times_that_count_up_are_an_order(start: int) -> None:
    rows: Rows = [("u", "b", start + 1), ("u", "a", start), ("v", "a", start)]
    cleaned = clean(log(rows), ITEMS)
    assert cleaned.order_only
    assert cleaned.events.rows() == [("u", "a", 0), ("u", "b", 1), ("v", "a", 0)]


def test_an_order_stays_an_order_when_rows_go() -> None:
    rows: Rows = [("u", "a", 0), ("u", "x", 1), ("u", "b", 2)]
    cleaned = clean(log(rows), ITEMS, drop_unknown_items=True)
    assert cleaned.order_only
    assert cleaned.events.rows() == [("u", "a", 0), ("u", "b", 1)]


@pytest.mark.parametrize(("bad", "shown"), [("soon", "has 'soon'"), (None, "has none")])
def test_a_bad_time_is_refused_or_dropped_on_demand(bad: str | None, shown: str) -> None:
    events = LOG.with_columns(timestamp=pl.Series(["2024-01-01", bad, "2024-01-02"]))
    with pytest.raises(DataError) as caught:
        clean(events, ITEMS, label="log.csv")
    assert str(caught.value) == (
        f"log.csv: 1 of 3 timestamps are unusable: data row 2 {shown}; use Unix seconds or ISO 8601 "
        "(2024-05-31T18:00Z), say their form with --time-format, or pass --drop-bad-times (drop_bad_times=True)"
    )
    cleaned = clean(events, ITEMS, drop_bad_times=True)
    assert removed(cleaned) == {
        "events: missing or unreadable timestamp": 1,
        "items: no event names it": 1,
    }


def test_unknown_items_are_refused_or_dropped_on_demand() -> None:
    events = log([("u", "a", 10), ("u", "1682", 20), ("v", "b", 30)])
    with pytest.raises(DataError) as caught:
        clean(events, ITEMS)
    assert str(caught.value) == (
        "1 of 3 interactions name items missing from items.csv, e.g. '1682'; add them or pass "
        "--drop-unknown-items (drop_unknown_items=True)"
    )
    cleaned = clean(events, ITEMS, drop_unknown_items=True)
    assert removed(cleaned) == {"events: item not in the catalog": 1}


@pytest.mark.parametrize("blank", [None, "", " \n", "\u200e \x00"])
def test_items_without_text_are_refused_or_dropped_on_demand(blank: str | None) -> None:
    texts = items(a="Film A", b=blank)
    with pytest.raises(DataError) as caught:
        clean(LOG, texts)
    assert str(caught.value) == (
        "items.csv: 1 of 2 items have no title, e.g. 'b'; give them one, or pass --drop-items-without-text "
        "(drop_items_without_text=True)"
    )
    cleaned = clean(LOG, texts, drop_items_without_text=True)
    assert removed(cleaned) == {"items: item without text": 1, "events: item without text": 1}
    assert cleaned.items["item_id"].to_list() == ["a"]


def test_repeated_item_rows() -> None:
    cleaned = clean(LOG, pl.concat([ITEMS, ITEMS[:1]]))
    assert removed(cleaned) == {"items: exact duplicate": 1}
    with pytest.raises(DataError, match=r"items.csv: item_id 'a' has 2 rows that differ; keep one row per item"):
        clean(LOG, pl.concat([ITEMS, items(a="Another")]))


def test_unseen_items_are_left_out_unless_wanted() -> None:
    texts = items(z="Never seen", a="Film A", b="Film B", y=None)
    assert removed(clean(LOG, texts)) == {"items: no event names it": 2}
    cleaned = clean(LOG, texts, keep_unseen_items=True, drop_items_without_text=True)
    assert cleaned.items["item_id"].to_list() == ["z", "a", "b"]


def test_without_items_the_id_is_the_title(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        cleaned = clean(LOG, None)
    assert cleaned.items.rows() == [("a", "a"), ("b", "b")]
    assert "title is its id" in caplog.text


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no event is left after cleaning \(missing user or item id: 1\)"):
        clean(log([(None, "a", 1)]), ITEMS)
    with pytest.raises(DataError, match=r"no event is left after cleaning \(there was none\)"):
        clean(log([]), ITEMS)


def test_ids_become_text_and_numbers_numbers() -> None:
    events = pl.DataFrame(
        {
            "user_id": [1.0, 2.0, None],
            "item_id": [7, 8, 8],
            "timestamp": [9, 8, 7],
            "price": ["1.5", None, "2"],
        }
    )
    texts = pl.DataFrame({"item_id": [7, 8], "title": ["A", "B"], "genres": [["x", "y"], []]})
    cleaned = clean(events, texts, time_format="seconds")
    assert cleaned.events.rows() == [("1", "7", 9, 1.5), ("2", "8", 8, None)]
    assert cleaned.items.rows() == [("7", "A", "x, y"), ("8", "B", "")]
    with pytest.raises(DataError, match="price '1,234' in data row 2 is not a number"):
        clean(events.with_columns(price=pl.Series(["1", "1,234", "2"])), texts)


def test_an_id_over_two_lines_is_refused() -> None:
    with pytest.raises(DataError, match=r"events: item_id 'a\\nv' spans lines; look for a quote"):
        clean(log([("u", "a\nv", 1)]), None)


def test_nested_columns_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    texts = ITEMS.with_columns(images=pl.Series([{"url": "x"}, {"url": "y"}]))
    assert clean(LOG, texts).items.columns == ["item_id", "title"]
    assert "column 'images'" in caplog.text


IDS = st.sampled_from(["a", "b", "c", None, ""])
ROWS = st.lists(st.tuples(st.sampled_from(["u", "v", None]), IDS, st.integers(0, 4)), min_size=1, max_size=25)
OPTIONS: dict[str, Any] = {
    "drop_unknown_items": True,
    "drop_items_without_text": True,
    "drop_bad_times": True,
}


def check_cleaned(check: Callable[[Rows, Cleaned], None], examples: int) -> None:
    """Check what comes of generated logs; at least a quarter of them must get through."""
    counts = Counter[str]()

    @settings(deadline=None, max_examples=examples)
    @given(ROWS)
    def check_one(rows: Rows) -> None:
        try:
            cleaned = clean(log(rows), items(a="Film A", b="Film B", z=None), **OPTIONS)
        except DataError as error:
            assert "no event is left" in str(error)
            counts["refused"] += 1
            return
        counts["cleaned"] += 1
        check(rows, cleaned)

    check_one()
    assert counts["cleaned"] >= examples // 20, counts  # short logs are often refused


@searched(60)
def test_cleaning_twice_changes_nothing_more(examples: int) -> None:
    def check(_: Rows, once: Cleaned) -> None:
        twice = clean(once.events, once.items)
        assert twice.events.equals(once.events)
        assert twice.items.equals(once.items)
        assert twice.order_only == once.order_only
        assert not removed(twice)

    check_cleaned(check, examples)


@searched(60)
def test_rows_in_are_rows_left_and_rows_removed(examples: int) -> None:
    def check(rows: Rows, cleaned: Cleaned) -> None:
        for table, start, end in (
            ("events", len(rows), cleaned.events.height),
            ("items", 3, cleaned.items.height),
        ):
            left = start
            for step in (step for step in cleaned.steps if step.table == table):
                assert step.rows_in == left
                left -= step.removed
            assert left == end
        assert cleaned.events["item_id"].is_in(cleaned.items["item_id"].implode()).all()

    check_cleaned(check, examples)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("uv"), st.integers(100, 103)), min_size=1, max_size=25))
def test_the_sort_is_stable(rows: list[tuple[str, int]]) -> None:
    numbered = [(user, f"{n:03d}", time) for n, (user, time) in enumerate(rows)]
    expected = sorted(numbered, key=lambda row: (row[0], row[2]))
    assert clean(log(list(numbered)), None, time_format="seconds").events.rows() == expected
