"""The experiment on text histories: what it trains, what its controls change, and one trial, small, twice."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from eval.experiments import text_histories
from eval.experiments.text_histories import (
    CONTROLS,
    FORMS,
    Outcome,
    Trial,
    against,
    controlled,
    random_base,
    run_trial,
    timed_recipe,
    trials,
)
from llmrec import Recipe, Split
from llmrec.data import Dataset, toy_films
from llmrec.llm.weights import load_causal_lm

TINY = [
    "backbone.layers=2",
    "history.local_blocks=1",
    "train.batch_tokens=400",
    "history.max_items=8",
    "head.dim=16",
]


@pytest.fixture(scope="module")
def films() -> Dataset:
    return toy_films(n_items=12, n_users=10)


def test_every_trial_has_a_run_of_its_own() -> None:
    shared = {"seeds": 2, "forms": list(FORMS), "cold": True, "controls": list(CONTROLS), "controlled": None}
    args = Namespace(minutes=[30.0, 10.0], epochs=[], **shared)
    planned = list(trials(args))
    assert len({trial.name for trial in planned}) == len(planned) == len(FORMS) * (2 * 2 + 2 + 2 * len(CONTROLS))
    assert planned[0] == Trial("soft", 10.0, 0)
    args.controlled = ["text"]
    assert [trial.form for trial in trials(args) if trial.control] == ["text"] * 2 * len(CONTROLS)
    args.epochs = [3, 2]
    by_epochs = list(trials(args))
    assert len({trial.name for trial in by_epochs}) == len(by_epochs)
    assert {(trial.minutes, trial.epochs) for trial in by_epochs} == {(None, 2), (None, 3)}
    assert {trial.epochs for trial in by_epochs if trial.control} == {2}


def test_epochs_that_are_named_are_not_measured(films: Dataset, tmp_path: Path) -> None:
    recipe = Recipe.load("smollm2-135m-soft", set=["train.epochs=7"])
    for control in (None, "random-words"):
        trial = Trial("soft", None, 0, control, epochs=2)
        assert timed_recipe(recipe, Split.leave_last_out(films), trial, tmp_path).train.epochs == 2


def test_a_control_is_compared_with_its_form_user_by_user() -> None:
    form, control = Outcome({}, np.array([1.0, 0.5] * 20)), Outcome({}, np.array([0.5, 0.0] * 20))
    compared = against(control, form)
    assert compared["ndcg@10_minus_form"] == {"mean": -0.5, "low": -0.5, "high": -0.5}
    assert compared["p_value"] < 0.001
    assert against(form, form)["p_value"] == 1


def test_a_control_trains_as_many_epochs_as_its_form(films: Dataset, tmp_path: Path) -> None:
    recipe = Recipe.load("smollm2-135m-soft", set=["train.epochs=7", "train.max_minutes=10"])
    (tmp_path / "soft-10min-seed0.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    fresh = Recipe.load("smollm2-135m-soft", set=["train.epochs=3"])
    trial = Trial("soft", 10.0, 0, "random-weights")
    timed = timed_recipe(fresh, Split.leave_last_out(films), trial, tmp_path)
    assert timed.train.epochs == 7
    assert timed.train.max_minutes is None


def test_controls_change_the_texts_and_nothing_else(films: Dataset) -> None:
    titles = films.catalog.titles
    swapped, drawn = (controlled(films, name) for name in ("shuffled-titles", "random-words"))
    assert sorted(swapped.catalog.titles) == sorted(titles)
    assert list(swapped.catalog.titles) != list(titles)
    assert [len(title.split()) for title in drawn.catalog.titles] == [len(title.split()) for title in titles]
    assert list(drawn.catalog.titles) != list(titles)
    for data in (swapped, drawn):
        assert list(data.catalog.ids) == list(films.catalog.ids)
        assert data.events.equals(films.events)
        assert data.fingerprint != films.fingerprint
    assert controlled(films, None) is controlled(films, "random-weights") is films


def test_a_random_base_is_the_architecture_with_other_weights(tiny_base: Path, tmp_path: Path) -> None:
    folder = random_base(str(tiny_base), 1, tmp_path / "random")
    other, tokenizer = load_causal_lm(str(folder), dtype="float32")
    plain, plain_tokenizer = load_causal_lm(str(tiny_base), dtype="float32")
    assert other.config.num_hidden_layers == 1
    assert tokenizer("Film 01")["input_ids"] == plain_tokenizer("Film 01")["input_ids"]
    ours, theirs = (
        dict(model.named_parameters())["model.layers.0.mlp.up_proj.weight"] for model in (other, plain)
    )
    assert not np.array_equal(ours.detach().numpy(), theirs.detach().numpy())


@pytest.mark.slow
def test_a_finished_trial_is_judged_again_and_not_trained(
    films: Dataset, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial("hybrid-local", 0.002, 0)
    outcome = run_trial(trial, films, tmp_path, str(tiny_base), TINY)
    row = outcome.row
    assert row["ndcg@10"]["mean"] == pytest.approx(outcome.ndcg.mean())
    assert row["epochs"] >= 1
    assert 0 <= row["ndcg@10"]["low"] <= row["ndcg@10"]["mean"] <= 1
    assert 0 <= row["shuffled_ndcg@10"] <= 1
    monkeypatch.setattr(text_histories, "dry_run", None)
    again = run_trial(trial, films, tmp_path, str(tiny_base), TINY)
    assert again.row == row
