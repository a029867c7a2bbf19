"""A log without times whose rows are sorted by something else than time."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl
import pytest

from llmrec.data import Dataset, Split
from llmrec.data.describe import describe
from llmrec.data.splits.leaks import check
from llmrec.errors import DataError

USERS, EACH = 25, 6
RANDOM = np.random.default_rng(0)


def log(**columns: list[float]) -> pl.DataFrame:
    items = [int(item) for _ in range(USERS) for item in RANDOM.permutation(40)[:EACH]]
    users = [user for user in range(USERS) for _ in range(EACH)]
    return pl.DataFrame({"user_id": users, "item_id": items} | columns)


def said(table: pl.DataFrame, **options: bool) -> str:
    data = Dataset.from_tables(table, **options)  # type: ignore[arg-type]
    assert data.order_only
    return next((step.note for step in data.steps if step.name == "order of the rows"), "")


def test_what_rows_are_sorted_by_is_said(caplog: pytest.LogCaptureFixture) -> None:
    plays = log(plays=[90.0 - n for _ in range(USERS) for n in range(EACH)])
    with caplog.at_level(logging.WARNING):
        assert said(plays).startswith(
            "each user's rows are sorted by plays, falling: the next row is not what came"
        )
    assert "sorted by plays" in caplog.text
    assert said(plays.with_columns(-pl.col("plays"))).startswith(
        "each user's rows are sorted by plays: where it says"
    )
    assert "sorted by item_id, rising" in said(log().sort("user_id", "item_id"))
    assert said(plays, order_by_rows=True) == ""
    assert said(log(stars=[float(star) for star in RANDOM.integers(1, 6, USERS * EACH)])) == ""
    assert said(plays.head(EACH * 5)) == ""  # of a few users it may be chance


def test_rows_of_one_behavior_count() -> None:
    hours = [value for _ in range(USERS) for n in range(EACH) for value in (1.0, 90.0 - n)]
    both = log().select(pl.all().repeat_by(2)).explode("user_id", "item_id")
    table = both.with_columns(hours=pl.Series(hours), behavior=pl.Series(["purchase", "play"] * USERS * EACH))
    assert "sorted by hours, falling" in said(table)


def test_it_is_a_warning_wherever_data_are_judged() -> None:
    data = Dataset.from_tables(log(plays=[90.0 - n for _ in range(USERS) for n in range(EACH)]))
    (finding,) = [one for one in check(Split.leave_last_out(data)) if one.name == "sorted-rows"]
    assert finding.severity == "warning"
    assert "sorted-rows (warning): each user's rows are sorted by plays" in str(describe(data)["value"].to_list())


def test_a_random_order_is_the_way_out() -> None:
    table = log(plays=[90.0 - n for _ in range(USERS) for n in range(EACH)], timestamp=list(range(USERS * EACH)))
    first, again = (Dataset.from_tables(table, order_at_random=True) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert first.order_only
    assert said(table, order_at_random=True) == ""
    of_rows = Dataset.from_tables(table, order_by_rows=True)
    assert first.events["item_id"].to_list() != of_rows.events["item_id"].to_list()
    assert sorted(first.events["item_id"]) == sorted(of_rows.events["item_id"])
    with pytest.raises(DataError, match="leave out --order-by-rows and --time-format"):
        Dataset.from_tables(table, order_at_random=True, order_by_rows=True)
