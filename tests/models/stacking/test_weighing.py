"""A stack is not below its best member: that stays alone where all together are worse."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.stack_logs import log_of

from llmrec import Dataset, Recipe, Split, load
from llmrec.models import Recommender, from_recipe
from llmrec.models.runs import fit_run
from llmrec.models.stacking import recommender
from llmrec.models.stacking.conditional_logit import Choices, ConditionalLogit
from llmrec.models.stacking.features import N_CONTEXTS
from llmrec.models.stacking.recommender import StackedRecommender
from llmrec.models.stacking.weighing import MemberReport, Weighing, weigh


class Rule(Recommender):
    """Only has a name."""

    kind = "rule"
    _fit = _score = _save = _load = None  # type: ignore[assignment]


RULES = [Rule(Recipe(name=name, model="rule")) for name in ("far", "near")]


def far_off_now_and_then(n: int, share: float) -> Choices:
    """The first feature ranks well, but is far off for a ``share`` of queries: its likelihood trusts it little."""
    draw = np.random.default_rng(0)
    features, right = draw.normal(size=(n, 2, 20)).astype(np.float32), draw.integers(20, size=n)
    rows, off = np.arange(n), int(share * n)
    features[rows, 1, right] += 1
    features[:, 0] *= 0.1
    features[rows, 0, right] += 1
    features[rows[:off], 0, right[:off]] = -3000
    targets = np.zeros((n, 20), dtype=np.float32)
    targets[rows, right] = 1
    return Choices(features, np.ones((n, 2, 1), dtype=np.float32), np.zeros((n, 20), dtype=np.float32), targets)


def test_the_best_stays_alone_where_all_together_are_worse() -> None:
    choices = far_off_now_and_then(300, 0.1)
    fallen_back = weigh(RULES, choices, fall_back=True, seed=0)
    assert fallen_back.ndcg < fallen_back.members[0].ndcg
    assert fallen_back.best == 0
    assert (fallen_back.logit.multipliers(choices.contexts[:, :1]) == 1).all()
    assert "far alone is better than all together (NDCG@10 0.9" in list(fallen_back.lines())[1]
    assert weigh(RULES, choices, fall_back=False, seed=0).best is None
    assert weigh(RULES, far_off_now_and_then(100, 0.1), fall_back=True, seed=0).best is None, "too few to tell"
    together = weigh(RULES, far_off_now_and_then(300, 0.0), fall_back=True, seed=0)
    assert together.best is None
    assert len(list(together.lines())) == 1


def test_who_is_left_out_is_no_part_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stack that weighing makes worse, which no log of a test is sure to be."""
    split = Split.leave_last_out(log_of(0.5))
    recipe = Recipe.of({"name": "stack", "model": "stacked", "stack": {"members": ["popularity", "markov"]}})

    def worse(members: list[Recommender], choices: Choices, **options: object) -> Weighing:
        return weigh(members, choices_like(choices), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(recommender, "weigh", worse)
    model = from_recipe(recipe).fit(split.train, valid=split.valid)
    assert isinstance(model, StackedRecommender)
    (stays,), out = model.metadata["stack"]["members"], model.metadata["stack"]["left_out"]
    assert {stays, *out} == {"popularity", "markov"}
    assert repr(model).endswith(f", of {stays}, without {out[0]})")
    model.save(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "members").iterdir()] == [f"0-{stays}"]
    assert f"| Left out, not better together | {out[0]} |" in (tmp_path / "run" / "README.md").read_text()
    again, histories = load(tmp_path / "run"), split.test.histories
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.score(histories), model.score(histories))
    best, alone = model.members[0].recommend(histories, 5), model.recommend(histories, 5)
    assert best["item_id"].to_list() == alone["item_id"].to_list()
    every = StackedRecommender.of(
        [from_recipe(Recipe.load(name)).fit(split.train) for name in (stays, *out)], split
    )
    assert len(every.members) == 2


def fallen_back_on(best: int, names: Sequence[str]) -> Weighing:
    contexts = np.ones((1, 1, N_CONTEXTS), dtype=np.float32)
    logit = ConditionalLogit.prior(np.ones(1), contexts, np.zeros((1, 2)))
    return Weighing(logit, tuple(MemberReport(name, 1.0, 0.1) for name in names), 300, 0.1, best=best)


def test_one_that_fell_back_goes_on_with_the_rules_that_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, quick_gru: Recipe
) -> None:
    grown = log_of(0.5)
    old = Dataset.from_tables(grown.events.filter(pl.col("timestamp") < 6))
    (tmp_path / "gru.yaml").write_text(quick_gru.with_values({"train.epochs": 1}).to_yaml())
    members = [str(tmp_path / "gru.yaml"), "popularity", "markov", "item-knn"]
    recipe = Recipe.of({"name": "stack", "model": "stacked", "stack": {"members": members}})
    with monkeypatch.context() as patched:
        fallen_back = fallen_back_on(2, ("quick", "popularity", "markov", "item-knn"))
        patched.setattr(recommender, "weigh", lambda *_, **__: fallen_back)
        before = fit_run(recipe, old, Split.leave_last_out(old), tmp_path / "run", progress=False)
    assert before.metadata["stack"]["members"] == ["markov"]
    caplog.set_level(logging.INFO)
    split, run = Split.leave_last_out(grown), tmp_path / "run"
    continued = fit_run(
        recipe.with_values({"seed": 3}), grown, split, tmp_path / "new", progress=False, continue_from=run
    )
    assert sorted(continued.metadata["stack"]["members"]) == ["item-knn", "markov", "popularity"]
    assert "fell back on one member, which is weighed anew with popularity, item-knn" in caplog.text
    assert "quick stay left out: the run does not hold them; fit anew, without --continue" in caplog.text


def test_the_network_that_it_fell_back_on_is_not_said_to_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the sizes of the log, and by going on other settings, too: its recipe is not the stack's."""
    grown = log_of(0.5)
    old = Dataset.from_tables(grown.events.filter(pl.col("timestamp") < 6))
    stack = {"members": ["gru train.epochs=1", "popularity", "markov"]}
    recipe = Recipe.of({"name": "stack", "model": "stacked", "stack": stack})
    with monkeypatch.context() as patched:
        fallen_back = fallen_back_on(0, ("gru", "popularity", "markov"))
        patched.setattr(recommender, "weigh", lambda *_, **__: fallen_back)
        fit_run(recipe, old, Split.leave_last_out(old), tmp_path / "run", progress=False)
    caplog.set_level(logging.INFO)
    split, run = Split.leave_last_out(grown), tmp_path / "run"
    continued = fit_run(recipe, grown, split, tmp_path / "new", progress=False, continue_from=run)
    assert sorted(continued.metadata["stack"]["members"]) == ["gru", "markov", "popularity"]
    assert "fell back on one member, which is weighed anew with popularity, markov" in caplog.text
    assert "stay left out" not in caplog.text


def choices_like(choices: Choices) -> Choices:
    """As many choices, of which the first member's feature ranks better alone."""
    other = far_off_now_and_then(len(choices), 0.1)
    return Choices(other.features, choices.contexts, other.log_weight, other.targets)
