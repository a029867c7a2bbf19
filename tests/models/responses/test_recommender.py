"""Response heads beside any network: which epoch is restored, and what validation reads of a fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split
from llmrec.data import Fold
from llmrec.data.responses import TaskSet, TaskSpec
from llmrec.errors import DataError
from llmrec.models import from_recipe
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.models.responses.table import skill


def turns(n_users: int = 40, length: int = 12, *, seed: int = 0) -> Dataset:
    """Views and purchases in turn, one a day, of items at random."""
    draw = np.random.default_rng(seed)
    rows = [
        (
            f"u{user}",
            str(draw.integers(10)),
            86400 * (position + user % 3),
            "buy" if (position + user) % 2 else "pv",
        )
        for user in range(n_users)
        for position in range(length)
    ]
    names = ["user_id", "item_id", "timestamp", "behavior"]
    items = {"item_id": [str(n) for n in range(10)], "title": [f"Film {n}" for n in range(10)]}
    return Dataset.from_tables(
        pl.DataFrame(rows, schema=names, orient="row"), items=items, name="turns", time_format="seconds"
    )


@pytest.fixture(scope="module")
def split() -> Split:
    return Split.global_time(turns())


def trained(split: Split, fold: Fold, **responses: Any) -> RespondingRecommender:
    recipe = Recipe.of(
        {
            "model": "gru-events",
            "tasks": ["behavior"],
            "history": {"events": ["behavior"]},
            "responses": responses,
            "sequence": {"dim": 16},
            "train": {"epochs": 8, "learning_rate": 0.03, "batch_tokens": 400, "patience": 8},
        }
    )
    model = from_recipe(recipe).fit(split.train, valid=fold)
    assert isinstance(model, RespondingRecommender)
    return model


def test_the_epoch_of_the_best_early_stopping_metric_is_restored(split: Split) -> None:
    """Items are drawn at random, behaviors follow a rule: the two columns of the log do not agree."""
    best, restored = {}, {}
    for metric, columns in (
        ("next_item", ["valid_ndcg@10"]),
        ("responses", ["valid_responses"]),
        ("both", ["valid_ndcg@10", "valid_responses"]),
    ):
        model = trained(split, split.valid, early_stopping_metric=metric, count_features=False)
        rows = model.train_log
        best[metric] = max(rows, key=lambda row: sum(row[column] for column in columns))["valid_responses"]
        validation = model._validation(split.valid)
        assert validation is not None
        restored[metric] = validation.skill()
    assert restored == pytest.approx(best, abs=1e-4)
    assert restored["responses"] > restored["next_item"] + 1e-3


def test_a_user_and_an_item_by_their_ids(split: Split) -> None:
    model = trained(split, split.valid)
    user = model.histories.user_ids[0]
    history, item = model.histories.of_user(user), model.catalog.ids[0]
    assert model.simulate(user, 2, seed=1).equals(model.simulate(history, 2, seed=1))
    assert model.predict_response(user, item).equals(model.predict_response(history, [item]))


def test_a_fold_without_events_is_validated_on_the_next_item(split: Split) -> None:
    bare = Fold(split.valid.histories, split.valid.answers)
    model = trained(split, bare, early_stopping_metric="responses")
    assert "valid_ndcg@10" in model.train_log[0]
    assert "valid_responses" not in model.train_log[0]
    with pytest.raises(DataError, match="not their events"):
        bare.followed()


def test_answers_follow_their_histories(split: Split) -> None:
    fold = split.valid.take(np.array([3, 1]))
    both, answers = fold.followed()
    assert fold.histories.user_ids == both.user_ids == tuple(split.valid.histories.user_ids[n] for n in (3, 1))
    assert fold.answers.height == answers.sum() == fold.events.height  # type: ignore[union-attr]
    for n, user in enumerate(both.user_ids):
        whole = split.data.histories.of_user(user).events
        events = both.take([n]).events
        assert events.equals(whole[: events.height])
        assert answers[both.offsets[n] : both.offsets[n + 1]].sum() == events.height - fold.histories.lengths()[n]


def test_skill_is_one_less_the_loss_by_the_prior_s() -> None:
    number = TaskSpec(name="rating", kind="number", mean=3.0)
    steps = TaskSpec(name="rating", kind="ordinal", levels=("1", "2"), values=(1.0, 2.0), prior=(0.5, 0.5))
    classes = TaskSpec(name="behavior", kind="classes", levels=("a", "b"), prior=(0.5, 0.5))
    targets = np.array([1.0, 5.0, np.nan])
    predictions = np.array([2.0, 4.0, 9.0])
    assert skill({"rating": predictions}, {"rating": targets}, TaskSet(specs=(number,))) == pytest.approx(0.75)
    probabilities = np.array([[0.25, 0.75], [0.25, 0.75]])
    half = 1 - np.log(0.75) / np.log(0.5)
    for spec, target in ((classes, 1.0), (steps, 2.0)):
        known = {spec.name: np.array([target, np.nan])}
        assert skill({spec.name: probabilities}, known, TaskSet(specs=(spec,))) == pytest.approx(half)
    unknown = {"rating": np.array([np.nan] * 3)}
    assert skill({"rating": predictions}, unknown, TaskSet(specs=(number,))) == 0
