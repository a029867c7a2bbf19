"""How an open-ended training goes on from a run: short and to an end, but for what is set by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split
from llmrec.data import Histories, toy_films
from llmrec.models import Recommender
from llmrec.models.continuation import Continuation
from llmrec.models.continued_settings import leaves_open, settled
from llmrec.models.learned_events import LearnedEvents
from llmrec.models.registry import complete_recipe
from llmrec.models.runs import fit_run
from llmrec.models.stacking.members import going_on


def log_and_grown() -> tuple[Dataset, Dataset]:
    grown = toy_films(n_items=12, n_users=30)
    early = grown.events.filter(grown.events["timestamp"] < grown.events["timestamp"].quantile(0.7))
    return Dataset.from_tables(early, items=grown.catalog.table), grown


def _fit(recipe: Recipe, data: Dataset, out: Path, *, continue_from: Path | None = None) -> Recommender:
    return fit_run(recipe, data, Split.leave_last_out(data), out, progress=False, continue_from=continue_from)


def test_an_open_ended_recipe_goes_on_for_a_quarter_of_the_epochs_and_to_an_end(
    tmp_path: Path,
    gru_with: Callable[..., Recipe],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where the run itself went on from another: a quarter of the first one's. What is set by hand stays."""
    old, new = log_and_grown()
    recipe, given = gru_with(schedule="open_ended", epochs=8), {"train.epochs": 3, "train.learning_rate": 2e-2}
    _fit(recipe, old, tmp_path / "old")
    caplog.set_level(logging.INFO)
    continued = _fit(recipe, new, tmp_path / "new", continue_from=tmp_path / "old")
    train = continued.recipe.train
    assert (train.schedule, train.epochs, train.patience, train.replay) == ("cosine", 2, 2, None)
    assert (train.learning_rate, train.shrink) == (4e-2, 0.4)
    assert [row["epoch"] for row in continued.train_log] == [1, 2]
    assert sum(row["tokens"] for row in continued.train_log) >= 2 * Split.leave_last_out(new).train.events.height
    assert "old, trained for 8 epochs, for 2 at a rate of 0.04 that falls to zero, from 0.4 of its" in caplog.text
    assert Continuation.of(tmp_path / "new").epochs == 8
    changed = _fit(recipe.with_values(given), new, tmp_path / "changed", continue_from=tmp_path / "old").recipe
    assert (changed.train.epochs, changed.train.learning_rate, changed.train.shrink) == (3, 2e-2, 0.4)
    as_it_is = recipe.with_values({"train.schedule": "open_ended", "train.epochs": 1})
    assert _fit(as_it_is, new, tmp_path / "same", continue_from=tmp_path / "old").recipe.train == as_it_is.train


def test_what_a_recipe_says_of_going_on_stays(tmp_path: Path, gru_with: Callable[..., Recipe]) -> None:
    """And what was changed with a section as a whole, or in a run that went on itself."""
    old, new = log_and_grown()
    _fit(gru_with(schedule="open_ended", epochs=4), old, tmp_path / "old")
    said = gru_with(schedule="open_ended", epochs=4, shrink=0.7, replay=2.0)
    train = _fit(said, new, tmp_path / "said", continue_from=tmp_path / "old").recipe.train
    assert (train.schedule, train.epochs, train.shrink, train.replay) == ("cosine", 1, 0.7, 2.0)
    whole = said.with_values({"train": {"epochs": 2, "learning_rate": 0.01}})
    train = _fit(whole, new, tmp_path / "whole", continue_from=tmp_path / "old").recipe.train
    assert (train.epochs, train.learning_rate) == (2, 0.01)
    again = Recipe.load(tmp_path / "said" / "recipe.yaml")
    origin = Continuation.of(tmp_path / "said")
    assert settled(again, origin, given=again.changed) == again


def test_an_llm_goes_on_as_its_recipe_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was measured of one; a stack's members are asked one by one."""
    names = ("gru", "smollm2-135m-soft")
    recipes = [complete_recipe(Recipe.load(name, set=["train.schedule=open_ended"])) for name in names]
    members = [
        SimpleNamespace(recipe=one, kind=one.model, train_log=[{"epoch": 8}], metadata={}) for one in recipes
    ]

    def run_of(_: object, run: Path, model: Any) -> Continuation:
        return Continuation(run, "", model, LearnedEvents(Histories.of({})), catalog=toy_films().catalog)

    monkeypatch.setattr(Continuation, "member", run_of)
    stack = run_of(None, tmp_path, SimpleNamespace(members=members, metadata={}))
    (gru, llm), _ = going_on(stack, Recipe.of({"model": "stacked", "stack": {"members": list(names)}}))
    assert llm == recipes[1]
    assert (gru.train.schedule, gru.train.epochs) == ("cosine", 2)
    assert leaves_open(recipes[0], given=frozenset())
    assert not leaves_open(recipes[1], given=frozenset())


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ([1, 2, 3, 4], "all", "--positive all here and default there"),
        (
            [1, 2, 3, 4],
            [1, 2, 3, 4, 5],
            'above 1 are positive targets here and those above 0 there (--positive "rating > 0")',
        ),
        ([1, 2, 3, 4], "rating > 0", ""),
        ([1, 5], [1, 4, 5], ""),
    ],
)
def test_what_counts_as_a_right_answer_may_not_change_unsaid(
    before: list[int], now: list[int] | str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the first five of five stars is among the new events: then a rating of 1 is no choice any more."""

    def rated(data: Dataset, ratings: list[int]) -> Dataset:
        cycle = pl.Series("rating", np.resize(ratings, data.events.height))
        return Dataset.from_tables(data.events.with_columns(cycle), items=data.catalog.table, name="rated")

    old, new = log_and_grown()
    _fit(Recipe(model="markov"), rated(old, before), tmp_path / "old")
    grown = rated(new, before).with_positive(now) if isinstance(now, str) else rated(new, now)
    with caplog.at_level(logging.WARNING):
        _fit(Recipe(model="markov"), grown, tmp_path / "new", continue_from=tmp_path / "old")
    assert (said in caplog.text) if said else ("do not agree" not in caplog.text)
