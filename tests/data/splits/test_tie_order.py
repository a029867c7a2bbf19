"""The order of tied events: shared by users or drawn at random, and what is expected by chance."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest

from llmrec.arrays import Int32s
from llmrec.data import Dataset, Split
from llmrec.data.splits.leaks import tied_timestamps
from llmrec.data.splits.tie_order import _majorities, tie_order


def log_of(histories: list[str], *, times: list[int] | None = None) -> tuple[pl.DataFrame, Int32s]:
    """Items a, b, c ... of a user each, all at one time or at ``times``."""
    rows = [
        (str(user), item, 0 if times is None else times[position])
        for user, items in enumerate(histories)
        for position, item in enumerate(items)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return events, np.array([ord(item) for item in events["item_id"]], dtype=np.int32)


def test_the_share_is_of_the_direction_more_common_for_each_pair() -> None:
    # ab 4 times and ba once; cd and dc 3 times each; ae 4 times, too few to know.
    result = tie_order(*log_of(["ab"] * 4 + ["ba"] + ["cd"] * 3 + ["dc"] * 3 + ["ae"] * 4))
    assert result is not None
    assert result.share == pytest.approx((4 + 3) / 11)
    assert not result.is_systematic


def test_only_steps_of_one_user_at_one_time_between_two_items_count() -> None:
    assert tie_order(*log_of(["ab"] * 9, times=[0, 1])) is None
    assert tie_order(*log_of(["a", "b"] * 9)) is None
    assert tie_order(*log_of(["aa"] * 9)) is None
    result = tie_order(*log_of(["ab"] * 5))
    assert result is not None
    assert result.share == 1.0
    assert result.by_chance == pytest.approx(_majorities(np.array([5])) / 5)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 11])
def test_what_is_expected_by_chance_is_the_mean_over_all_outcomes(n: int) -> None:
    larger = [max(sum(steps), n - sum(steps)) for steps in product((0, 1), repeat=n)]
    assert _majorities(np.array([n, n])) == pytest.approx(2 * np.mean(larger))


@pytest.mark.parametrize("shared", [True, False])
def test_a_leak_report_says_so_only_where_users_share_the_order(shared: bool) -> None:
    draw = np.random.default_rng(0)
    rows = []
    for user in range(200):
        items = draw.choice(12, 6, replace=False)
        rows += [(user, item, 1_700_000_000 + user * 1000) for item in (np.sort(items) if shared else items)]
    split = Split.leave_last_out(
        Dataset.from_tables(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))
    )
    result = tied_timestamps(split)
    assert result is not None
    assert ("which users share (100% of tied steps" in result.message) == shared
