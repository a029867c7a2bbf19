"""Per-user metrics against ir-measures, and the cases that it would hide."""

from __future__ import annotations

import ir_measures
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, nDCG

from llmrec.errors import DataError
from llmrec.metrics import METRICS, per_user

ITEMS = [f"i{n}" for n in range(12)]
USERS = ["ann", "bob", "eve"]

ranked_lists = st.dictionaries(st.sampled_from(USERS), st.lists(st.sampled_from(ITEMS), unique=True))
answer_sets = st.fixed_dictionaries({user: st.sets(st.sampled_from(ITEMS), min_size=1) for user in USERS})


def recommended(lists: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item, place) for user, items in lists.items() for place, item in enumerate(items, 1)]
    schema = {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def answered(sets: dict[str, set[str]]) -> pl.DataFrame:
    rows = [(user, item) for user, items in sets.items() for item in sorted(items)]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


@settings(max_examples=60, deadline=None)
@given(ranked_lists, answer_sets, st.integers(1, 14))
def test_agrees_with_ir_measures(lists: dict[str, list[str]], sets: dict[str, set[str]], k: int) -> None:
    found = per_user(recommended(lists), answered(sets), users=USERS, k=k)
    qrels = [ir_measures.Qrel(user, item, 1) for user, items in sets.items() for item in items]
    # score = -rank: the oracle breaks ties in opposite ways for RR and RR@k, so it must see none.
    run = [
        ir_measures.ScoredDoc(user, item, -place)
        for user, items in lists.items()
        for place, item in enumerate(items, 1)
    ]
    measures = {
        R @ k: f"recall@{k}",
        nDCG @ k: f"ndcg@{k}",
        RR @ k: f"mrr@{k}",
        AP @ k: f"map@{k}",
        P @ k: f"precision@{k}",
    }
    assert set(measures.values()) == {f"{metric}@{k}" for metric in METRICS}
    expected = {(user, column): 0.0 for user in USERS for column in measures.values()}
    for one in ir_measures.iter_calc(list(measures), qrels, run):
        expected[one.query_id, measures[one.measure]] = one.value
    for row in found.iter_rows(named=True):
        for column in measures.values():
            assert row[column] == pytest.approx(expected[row["user_id"], column], abs=1e-9)


@given(ranked_lists, answer_sets)
@settings(max_examples=30, deadline=None)
def test_stays_between_zero_and_one(lists: dict[str, list[str]], sets: dict[str, set[str]]) -> None:
    found = per_user(recommended(lists), answered(sets), users=USERS, k=5).drop("user_id")
    assert found.dtypes == [pl.Float64] * 5
    assert found.null_count().sum_horizontal().item() == 0
    assert all(0 <= value <= 1 + 1e-12 for row in found.iter_rows() for value in row)


def test_one_answer_in_third_place() -> None:
    found = per_user(recommended({"ann": ["a", "b", "c"]}), answered({"ann": {"c"}}), users=["ann"])
    assert found.columns == ["user_id", "ndcg@10", "recall@10", "mrr@10", "map@10", "precision@10"]
    third = pytest.approx(1 / 3)
    assert found.row(0) == ("ann", pytest.approx(0.5), 1.0, third, third, pytest.approx(0.1))


def test_two_of_three_answers() -> None:
    answers = answered({"ann": {"a", "c", "z"}})
    found = per_user(recommended({"ann": ["a", "b", "c", "d"]}), answers, users=["ann"], k=4).row(0, named=True)
    assert found["map@4"] == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert (found["precision@4"], found["recall@4"]) == (0.5, pytest.approx(2 / 3))


def test_keeps_the_order_of_users_and_counts_silence_as_zero() -> None:
    answers = answered({"ann": {"a"}, "bob": {"a"}})
    found = per_user(recommended({"bob": ["a"]}), answers, users=["eve", "bob", "ann"])
    assert found["user_id"].to_list() == ["eve", "bob", "ann"]
    assert found["recall@10"].to_list() == [0.0, 1.0, 0.0]


def test_no_recommendation_at_all_is_zero_for_everyone() -> None:
    found = per_user(recommended({}), answered({"ann": {"a"}}), users=["ann", "bob"])
    assert found.drop("user_id").to_numpy().tolist() == [[0.0] * 5] * 2


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    users = [f"u{n}" for n in range(23)]
    recs = recommended({user: rng.permutation(ITEMS)[: rng.integers(8)].tolist() for user in users})
    answers = answered({user: set(rng.permutation(ITEMS)[:3]) for user in users})
    whole = per_user(recs, answers, users=users, k=5)
    assert whole["ndcg@5"].n_unique() > 5
    monkeypatch.setattr("llmrec.metrics.CELLS", 20)  # four users at a time
    assert per_user(recs, answers, users=users, k=5).equals(whole)


def test_no_users_give_an_empty_table() -> None:
    assert per_user(recommended({}), answered({}), users=[]).height == 0


def test_ids_that_are_numbers_match_ids_that_are_strings() -> None:
    recs = pl.DataFrame({"user_id": [7], "item_id": [1], "rank": [1]})
    answers = pl.DataFrame({"user_id": ["7"], "item_id": ["1"]})
    assert per_user(recs, answers, users=["7"])["ndcg@10"].to_list() == [1.0]


def test_an_answer_given_twice_counts_once() -> None:
    answers = pl.DataFrame({"user_id": ["ann", "ann"], "item_id": ["a", "a"]})
    assert per_user(recommended({"ann": ["a"]}), answers, users=["ann"])["recall@10"].to_list() == [1.0]


@pytest.mark.parametrize(
    ("recs", "message"),
    [
        ({"user_id": ["ann"], "item_id": ["a"]}, "no column 'rank'"),
        ({"user_id": ["ann"], "item_id": ["a"], "rank": [0]}, "rank 0 is below 1"),
        ({"user_id": ["ann"] * 2, "item_id": ["a", "b"], "rank": [1, None]}, "rank None is no whole number"),
        ({"user_id": ["ann"] * 2, "item_id": ["a", "b"], "rank": [1.0, 2.5]}, "rank 2.5 is no whole number"),
        ({"user_id": ["ann"], "item_id": ["a"], "rank": [float("nan")]}, "rank nan is no whole number"),
        ({"user_id": ["ann"], "item_id": ["a"], "rank": ["first"]}, "rank first is no whole number"),
        (
            {"user_id": ["ann"] * 2, "item_id": ["a", "a"], "rank": [1, 2]},
            "item_id 'a' is more than once in the list of user",
        ),
        ({"user_id": ["ann"] * 2, "item_id": ["a", "b"], "rank": [1, 1]}, "rank '1' is more than once"),
    ],
)
def test_refuses_lists_that_would_inflate_a_metric(recs: dict[str, list[object]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        per_user(pl.DataFrame(recs), answered({"ann": {"a"}}), users=["ann"])


def test_refuses_impossible_arguments() -> None:
    with pytest.raises(DataError, match="k must be at least 1, got 0"):
        per_user(recommended({}), answered({}), users=[], k=0)
    with pytest.raises(DataError, match="'ann' is named more than once"):
        per_user(recommended({}), answered({}), users=["ann", "ann"])
