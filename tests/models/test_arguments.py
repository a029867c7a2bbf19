"""What recommenders are given is checked once, for all of them: ids, k, histories, candidates."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import llmrec
from llmrec.config import Recipe
from llmrec.data import Dataset, Fold, Histories, Split, toy_films
from llmrec.errors import DataError
from llmrec.metrics import per_user
from llmrec.models import Recommender, from_recipe

HISTORIES = Histories.of({"7": ["1", "2"], "8": ["3"]})


@pytest.fixture(scope="module")
def model() -> Recommender:
    return from_recipe(Recipe(model="item-knn")).fit(toy_films(n_items=12, n_users=30))


def test_numbers_ask_as_text_does(model: Recommender) -> None:
    expected = model.recommend(HISTORIES, 3)
    for numbers in (Histories.of({7: [1, 2], 8: [3]}), Histories.of({7.0: [1.0, 2.0], 8.0: (3.0,)})):
        recs = model.recommend(numbers, np.int64(3))  # type: ignore[arg-type]
        assert recs.equals(expected)
        np.testing.assert_array_equal(model.score(numbers), model.score(HISTORIES))
    candidates = {"7": ["4", "5", "6"], "8": ["5"]}
    expected = model.recommend(HISTORIES, 3, candidates=candidates)
    assert expected["item_id"].n_unique() == 3
    for same in ({7: [4, 5, 6], 8: [5]}, {np.int64(7): np.array([4.0, 5.0, 6.0]), 8.0: pd.Series([5])}):
        assert model.recommend(HISTORIES, 3, candidates=same).equals(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [0, -1, np.int64(0), 2.0, "3", None, True])
def test_k_is_a_whole_number(model: Recommender, k: int) -> None:
    with pytest.raises(DataError, match=r"k (must be|is a whole number)"):
        model.recommend(HISTORIES, k)
    with pytest.raises(DataError, match=r"k (must be|is a whole number)"):
        model.similar_items(["1"], k)


@pytest.mark.parametrize(
    ("histories", "said"),
    [
        ("17", "user '7' is not among the 1 users of these histories"),
        ([["1", "2"]], "user '7' is not among the 1 users of these histories"),
        (None, "histories are needed, not a NoneType"),
        (7.5, "histories are needed, not a float"),
    ],
)
def test_reasons_are_of_histories(model: Recommender, histories: Histories, said: str) -> None:
    recs = pl.DataFrame({"user_id": ["7"], "item_id": ["4"]})
    with pytest.raises(DataError, match=said):
        llmrec.explain(model, recs, histories)


def test_what_plainly_means_histories(model: Recommender) -> None:
    expected = model.recommend(Histories.of([["1", "2"]]), 3).drop("user_id")
    table = pl.DataFrame({"user_id": [7, 7], "item_id": [1, 2]})
    fold = Fold(Histories.of({"7": ["1", "2"]}), table)
    for given in ([["1", "2"]], [(1, 2)], {7: [1, 2]}, table, fold):
        assert model.recommend(given, 3).drop("user_id").equals(expected), given
        assert model.score(given).shape == (1, len(model.catalog))
    user = model.histories.user_ids[3]
    for one in (user, int(user), np.int64(user)):
        assert model.recommend(one, 3).equals(model.recommend(model.histories.of_user(user), 3))
    assert model.recommend([], 3).is_empty()
    assert model.recommend(toy_films(n_items=12, n_users=30), 1).height == 30


def test_tables_of_any_library(model: Recommender) -> None:
    datasets = pytest.importorskip("datasets")
    table = pl.DataFrame({"user_id": [7, 7], "item_id": [1, 2]})
    expected = model.recommend(table, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (table.lazy(), table.to_arrow(), datasets.Dataset(table.to_arrow())):
            assert model.recommend(given, 3).equals(expected)


@pytest.mark.parametrize(("rating", "positive"), [(1.0, False), ("1", False), (2.0, True)])
def test_one_star_of_a_table_is_no_choice(rating: object, positive: bool) -> None:
    """Also where it is the only rating: the scale is that of the log that the model was fitted on."""
    films = toy_films(n_items=12, n_users=30)
    stars = pl.DataFrame({"rating": np.arange(films.events.height) % 5 + 1.0})
    data = Dataset.from_tables(films.events.hstack(stars), items=films.catalog.table, name="stars")
    model = from_recipe(Recipe(model="item-knn")).fit(data)
    rated = pl.DataFrame({"user_id": "u", "item_id": ["3"], "rating": [rating]})
    chosen = {"u": ["3"] if positive else []}
    np.testing.assert_array_equal(model.score(rated), model.score(chosen))
    assert (model.score(chosen) == model.score({"u": []})).all() != positive
    assert model.recommend(rated, 12).height == 11  # it is in the history all the same
    said = rated.with_columns(positive_target=True)
    np.testing.assert_array_equal(model.score(said), model.score({"u": ["3"]}))


def test_a_run_keeps_the_scale_of_its_log_s_ratings(tmp_path: Path) -> None:
    """Of ten points 1 is a choice, also beside a 5 that looks like five stars."""
    films = toy_films(n_items=12, n_users=30)
    points = pl.DataFrame({"rating": np.arange(films.events.height) % 10 + 1.0})
    data = Dataset.from_tables(films.events.hstack(points), items=films.catalog.table, name="points")
    from_recipe(Recipe(model="item-knn")).fit(data).save(tmp_path / "run")
    model = llmrec.load(tmp_path / "run")
    assert model.metadata["positive"]["ratings"] == {"lowest": 1, "highest": 10, "positive_above": 0}
    rated = pl.DataFrame({"user_id": "u", "item_id": ["3", "7"], "rating": [1.0, 5.0]})
    np.testing.assert_array_equal(model.score(rated), model.score({"u": ["3", "7"]}))
    assert (model.score(rated) != model.score({"u": ["7"]})).any()


@pytest.mark.parametrize(("rule", "n_chosen"), [("rating >= 4", 1), (pl.col("rating") >= 4, 2), ("all", 2)])
def test_a_rule_of_the_data_s_own(rule: str | pl.Expr, n_chosen: int) -> None:
    """One that was written as an expression is no more than a note in a run: then all events count."""
    films = toy_films(n_items=12, n_users=30)
    events = films.events.with_columns(rating=pl.Series(np.arange(films.events.height) % 5 + 1.0))
    data = Dataset.from_tables(events, items=films.catalog.table, positive=rule)
    model = from_recipe(Recipe(model="item-knn")).fit(data)
    rated = pl.DataFrame({"user_id": "u", "item_id": ["3", "7"], "rating": [5.0, 2.0]})
    np.testing.assert_array_equal(model.score(rated), model.score([["3", "7"][:n_chosen]]))


@pytest.mark.parametrize("wrong", ["no", 0, 1.0, []])
def test_exclude_seen_is_true_or_false(model: Recommender, wrong: bool) -> None:
    with pytest.raises(DataError, match="exclude_seen is True or False, not"):
        model.recommend(HISTORIES, 3, exclude_seen=wrong)
    kept = model.recommend(HISTORIES, 12, exclude_seen=np.bool_(False))  # type: ignore[arg-type]
    assert kept.height == 24


def test_a_weight_of_diversity_is_any_number() -> None:
    als = from_recipe(Recipe(model="als")).fit(toy_films(n_items=12, n_users=30))
    half = als.recommend(HISTORIES, 3, diversity=0.5)
    assert als.recommend(HISTORIES, 3, diversity=np.float32(0.5)).equals(half)  # type: ignore[arg-type]


def test_similar_items_of_none() -> None:
    for n_items in (12, 3000):
        als = from_recipe(Recipe(model="als")).fit(toy_films(n_items=n_items, n_users=30))
        assert als.similar_items([], 3).height == 0


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (None, "histories are needed, not a NoneType"),
        (True, "histories are needed, not a bool"),
        (["50", "181"], r"\['50', '181'\] may be one history or several users: write \[\['50', '181'\]\]"),
        ([7, 8], r"model.histories.of_users\(\[7, 8\]\) for users of the training data"),
        ("nobody", "user 'nobody' is not among the"),
        ({"7": "1"}, r"a history: a list of ids is meant, not the text '1'"),
        (pl.DataFrame({"item_id": ["1"]}), "histories: no column 'user_id' among item_id"),
        (Split.leave_last_out(toy_films(n_items=12, n_users=30)), "pass split.test or split.valid"),
    ],
)
def test_what_means_no_histories(model: Recommender, histories: object, message: str) -> None:
    for call in (model.recommend, model.score):
        with pytest.raises(DataError, match=message):
            call(histories)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({"7": "4"}, r"candidates of user '7': a list of ids is meant, not the text '4'; write \['4'\]"),
        ({"7": {"4", "5"}}, "candidates of user '7': a list of ids is meant, not a set"),
        ({"7": [1.5]}, "candidates of user '7': 1.5 is no id"),
        ({True: ["4"]}, "candidates: user id: True is no id"),
        ({7: ["4"], "7": ["5"]}, "candidates: user '7' is there twice, as 7 and '7'"),
        (["4", "5"], "candidates are lists of item ids by user id, not a list"),
        ("4", "candidates are lists of item ids by user id, not a str"),
    ],
)
def test_candidates_are_lists_by_user(model: Recommender, candidates: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        model.recommend(HISTORIES, 3, candidates=candidates)


def test_similar_items_of_a_list_or_one(model: Recommender) -> None:
    assert model.similar_items("3", 2).equals(model.similar_items([3], 2))
    with pytest.raises(DataError, match="item 'x' is not in the catalog"):
        model.similar_items("x")
    with pytest.raises(DataError, match="item_ids: a list of ids is meant, not a set"):
        model.similar_items({"3"})  # type: ignore[arg-type]


def test_unknown_ids_are_counted_and_said_once(model: Recommender, caplog: pytest.LogCaptureFixture) -> None:
    histories = Histories.of({"7": ["1", "x", "y"], "8": ["x"], **{f"u{n}": ["1"] for n in range(1000)}})
    with caplog.at_level(logging.WARNING, logger="llmrec"):
        model.recommend(histories, 3)
        model.recommend(HISTORIES, 3)
    (warning,) = caplog.messages
    assert warning == (
        "3 of 1004 items in these histories are not in the catalog and passed over, e.g. 'x'; "
        "1 of 1002 histories hold no other"
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="llmrec"):
        recs = model.recommend(HISTORIES, 3, candidates={"7": ["4", "x"], "other": ["y"]})
    assert recs["user_id"].unique().to_list() == ["7"]
    assert caplog.messages == [
        "1 of 2 users have no candidates and get none, e.g. '8'",
        "1 candidates are not in the catalog and passed over, e.g. 'x'",
    ]


def test_reasons_for_a_table_of_numbers(model: Recommender) -> None:
    recs = model.recommend(HISTORIES, 2)
    expected = llmrec.explain(model, recs, HISTORIES).table
    numbers: list[Callable[[pl.Expr], pl.Expr]] = [lambda e: e.cast(pl.Int64), lambda e: e.cast(pl.Float64)]
    for as_number in numbers:
        table = recs.with_columns(as_number(pl.col("user_id", "item_id")))
        for given in (table, table.to_pandas()):
            assert llmrec.explain(model, given, HISTORIES).table.equals(expected)
    with pytest.raises(DataError, match="recs: user_id: None is no id: an id is missing"):
        llmrec.explain(model, pd.DataFrame({"user_id": [7, None], "item_id": [4, 5]}), HISTORIES)
    for rival in (9, "9", [9] * recs.height):
        why = llmrec.explain(model, recs, HISTORIES, instead=rival)  # type: ignore[arg-type]
        assert set(why["instead_id"]) == {"9"}


def test_metrics_of_a_table_of_numbers() -> None:
    recs = pd.DataFrame({"user_id": [7.0, 8.0], "item_id": [4, 5], "rank": [1, 1]})
    answers = pl.DataFrame({"user_id": ["7", "8"], "item_id": ["4", "5"]})
    table = per_user(pl.from_pandas(recs), answers, users=[7, 8], k=np.int64(1))  # type: ignore[list-item, arg-type]
    assert table["recall@1"].to_list() == [1.0, 1.0]
