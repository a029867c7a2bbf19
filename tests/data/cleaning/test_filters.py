"""Cleaning on demand: each step removes what it says, and a second cleaning finds nothing more."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.properties import searched

from llmrec.data.cleaning import pipeline
from llmrec.data.cleaning.behavior_names import STRENGTHS
from llmrec.data.cleaning.pipeline import Cleaned
from llmrec.data.cleaning.table import RawLog, Table
from llmrec.errors import DataError

SHOP = pl.DataFrame(
    {
        "user_id": ["u", "u", "u", "v", "v", "w"],
        "item_id": ["a", "a", "b", "a", "b", "c"],
        "timestamp": [*(1_600_000_000 + n for n in (1000, 1010, 1020, 5000, 9000)), 9_999_999_999],
        "behavior": ["view", "view", "Add-to_Cart", "buy", "return", "wink"],
        "price": [1.0, 1.0, -2.0, 3.0, -3.0, 4.0],
    }
)


def clean(events: pl.DataFrame, items: pl.DataFrame | None, **options: Any) -> Cleaned:
    return pipeline.clean(
        lambda: RawLog(events, "events"), None if items is None else lambda: Table(items, "items.csv"), **options
    )


def removed(cleaned: Cleaned) -> dict[str, int]:
    return {step.name: step.removed for step in cleaned.steps if step.removed and step.table == "events"}


def test_impossible_values_are_logged_and_dropped_on_demand(caplog: pytest.LogCaptureFixture) -> None:
    assert removed(clean(SHOP, None)) == {}
    assert "2 events have impossible values; drop them with --drop-impossible" in caplog.text
    assert removed(clean(SHOP, None, drop_impossible=True)) == {
        "time in the future": 1,
        "negative price or quantity, not a return": 1,
    }


def test_repeats_of_one_behavior() -> None:
    cleaned = clean(SHOP, None, drop_repeats=True)
    assert removed(cleaned) == {"same event as the one before": 1}
    other = SHOP.with_columns(behavior=pl.Series(["view", "buy", "view", "buy", "return", None]))
    assert removed(clean(other, None, drop_repeats=True)) == {}


def test_events_that_meet_a_condition() -> None:
    by_text = clean(SHOP, None, drop_where=["price > 2.5 AND user_id <> 'w'", "behavior = 'wink'"])
    assert removed(by_text) == {"where price > 2.5 AND user_id <> 'w'": 1, "where behavior = 'wink'": 1}
    assert removed(clean(SHOP, None, drop_where=pl.col("price") > 2.5)) != {}
    for bad, message in (("prize > 1", "cannot drop events where prize > 1"), ("price + 1", "is no condition")):
        with pytest.raises(DataError, match=message) as caught:
            clean(SHOP, None, drop_where=bad)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="cannot drop events where"):
        clean(SHOP, None, drop_where="price >")


def test_bots() -> None:
    times = [*range(0, 100, 10), *range(0, 100_000, 10_000)]
    log = pl.DataFrame({"user_id": ["bot"] * 10 + ["ann"] * 10, "item_id": "a", "timestamp": times})
    cleaned = clean(log.with_columns(pl.col("timestamp") + 10**9), None, max_events_per_hour=9)
    assert removed(cleaned) == {"user with more than 9 events in an hour": 10}
    assert removed(clean(log.with_columns(pl.col("timestamp") + 10**9), None, max_events_per_hour=10)) == {}
    with pytest.raises(DataError, match="needs times, and this log has only an order"):
        clean(log.drop("timestamp"), None, max_events_per_hour=9)
    with pytest.raises(DataError, match="must be at least 1"):
        clean(log, None, max_events_per_hour=0)


def test_rare_items_and_users_until_none_is_left() -> None:
    pairs = ["ua", "ub", "va", "vb", "wa", "wc", "xc", "xd"]
    log = pl.DataFrame({"user_id": [p[0] for p in pairs], "item_id": [p[1] for p in pairs]})
    items = pl.DataFrame({"item_id": list("abcde"), "title": list("ABCDE")})
    cleaned = clean(log, items, min_user_events=2, min_item_events=2)
    assert cleaned.events.select("user_id", "item_id").rows() == [tuple(p) for p in ("ua", "ub", "va", "vb")]
    assert cleaned.items["item_id"].to_list() == ["a", "b"]
    rounds = [(step.name[:4], step.removed) for step in cleaned.steps if "fewer" in step.name and step.removed]
    assert rounds == [("item", 1), ("user", 1), ("item", 1), ("user", 1)]
    assert clean(log, items, min_item_events=2, keep_unseen_items=True).items.height == 5


def test_behaviors_get_an_order_of_strength(caplog: pytest.LogCaptureFixture) -> None:
    cleaned = clean(SHOP, None)
    assert cleaned.events["strength"].to_list() == [1, 1, 3, 4, -1, None]
    assert "of no known strength: 'wink': they count as positive targets; give a strength with" in caplog.text
    assert clean(SHOP, None, strengths={"Wink": 2}).events["strength"].to_list()[-1] == 2
    assert STRENGTHS["pv"] < STRENGTHS["fav"] < STRENGTHS["cart"] < STRENGTHS["buy"] == STRENGTHS["transaction"]
    with pytest.raises(DataError, match="there is no behavior column"):
        clean(SHOP.drop("behavior"), None, strengths={"x": 1})


def test_scaled_columns_say_how() -> None:
    cleaned = clean(SHOP, None, scale=["price"])
    scaled = cleaned.events["price_scaled"]
    assert scaled.mean() == pytest.approx(0)
    assert scaled.std() == pytest.approx(1)
    assert next(step.note for step in cleaned.steps if step.name == "price scaled").startswith("mean 0.666667")
    for column in ("behavior", "rating"):
        with pytest.raises(DataError, match=f"cannot scale '{column}'"):
            clean(SHOP, None, scale=[column])


def test_the_first_of_an_items_rows_on_demand() -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "a", "c"], "title": ["A", "B", "Other", "C"]})
    with pytest.raises(DataError, match="or pass --drop-further-item-rows"):
        clean(SHOP, items)
    assert clean(SHOP, items, drop_further_item_rows=True).items["title"].to_list() == ["A", "B", "C"]


LOGS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w", None]),
        st.sampled_from(["a", "b", "c", ""]),
        st.integers(1000, 1030),
        st.sampled_from(["view", "buy", "return", None]),
        st.one_of(st.none(), st.integers(-2, 5).map(float)),
    ),
    min_size=1,
    max_size=40,
)
CHOSEN = st.fixed_dictionaries(
    {},
    optional={
        "drop_impossible": st.just(True),
        "drop_repeats": st.just(True),
        "drop_where": st.just(["price > 4"]),
        "max_events_per_hour": st.integers(3, 9),
        "min_user_events": st.integers(0, 4),
        "min_item_events": st.integers(0, 4),
        "scale": st.just(["price"]),
    },
)


SCHEMA = {
    "user_id": pl.String,
    "item_id": pl.String,
    "timestamp": pl.Int64,
    "behavior": pl.String,
    "price": pl.Float64,
}


@searched(80)
def test_cleaning_twice_changes_nothing_and_rows_add_up(examples: int) -> None:
    counts = Counter[str]()

    @settings(deadline=None, max_examples=examples)
    @given(LOGS, CHOSEN)
    def check_twice(rows: list[Any], options: dict[str, Any]) -> None:
        log = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        try:
            once = clean(log, None, **options)
        except DataError as error:
            assert re.search("no event is left|only an order|no event is a positive target", str(error))
            counts["refused"] += 1
            return
        counts["cleaned"] += 1
        left = len(rows)
        for step in (step for step in once.steps if step.table == "events"):
            assert step.rows_in == left
            left -= step.removed
        assert left == once.events.height
        if once.order_only:
            options.pop("max_events_per_hour", None)
        twice = clean(once.events, once.items, **options)
        assert twice.events.equals(once.events)
        assert twice.items.equals(once.items)
        assert not removed(twice)

    check_twice()
    assert counts["cleaned"] >= examples // 20, counts  # short logs are often refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strengths": {"retun": -1}}, "--strength retun: no event has this behavior; they are Add-to_Cart"),
        ({"strengths": {"wink": -300}}, "the strength of wink must be at least -127, got -300"),
        ({"strengths": {"wink": 128}}, "the strength of wink must be at most 127, got 128"),
        ({"strengths": {"wink": "2"}}, "the strength of wink is a whole number such as 10, not '2'"),
        ({"drop_where": max}, "drop_where: a condition is text or a polars expression, not a builtin_function"),
        ({"drop_where": [5]}, "drop_where: a condition is text or a polars expression, not a int"),
        ({"positive": ["rating"]}, "positive: a condition is text or a polars expression, not a list"),
        ({"min_user_events": "3"}, "min_user_events is a whole number such as 10, not '3'"),
        ({"min_item_events": -1}, "min_item_events must be at least 0, got -1"),
        ({"time_format": 5}, r"time_format is text such as '%d/%m/%Y', not 5"),
    ],
)
def test_options_of_another_kind_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        clean(SHOP, None, **options)
