"""`llmrec fit --continue`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmrec import load
from llmrec.cli.app import run
from llmrec.data import Dataset, toy_films

SMALL = ["--set", "train.epochs=2", "--set", "sequence.dim=16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log, the log that it grew to, and a run on the first."""
    root = tmp_path_factory.mktemp("continue")
    grown = toy_films(n_items=12, n_users=30)
    grown.save(root / "grown")
    early = grown.events.filter(grown.events["timestamp"] < grown.events["timestamp"].quantile(0.7))
    Dataset.from_tables(early, items=grown.catalog.table, name="first").save(root / "first")
    assert run(["fit", "gru", "--data", str(root / "first"), "--out", str(root / "run"), *SMALL]) == 0
    return root


def test_it_compares_with_the_run_and_with_a_training_from_scratch(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "gru", *SMALL, "--data", str(folder / "grown"), "--out", str(folder / "new")]
    capsys.readouterr()
    assert run([*words, "--continue", str(folder / "run"), "--check", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)  # nothing else on standard output
    assert [row["model"] for row in rows] == ["continued", "before", "anew"]
    assert rows[0]["overlap@10"] == 1.0
    assert all(0 < row["ndcg@10"] <= 1 and row["low"] <= row["ndcg@10"] <= row["high"] for row in rows)
    assert load(folder / "new").metadata["continued"]["run"] == "run"
    assert "continued" not in load(folder / "new-anew").metadata


def test_for_production_a_run_says_how_long_an_open_ended_recipe_goes_on(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = ["--out", str(tmp_path / "new"), "--split", "none"]
    words = ["fit", "gru", "--set", "sequence.dim=16", "--data", str(folder / "grown"), *out]
    assert run(words) == 2
    assert run([*words, "--continue", str(folder / "run")]) == 0
    said = "trained for 2 epochs, for 1 at a rate of 0.004 that falls to zero, from 0.4 of its weights"
    assert said in caplog.text
    assert load(tmp_path / "new").recipe.train.schedule == "cosine"


def test_the_few_epochs_of_a_run_that_went_on_are_not_taken_for_new_weights(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "gru", "--set", "sequence.dim=16", "--data", str(folder / "grown")]
    went_on = str(tmp_path / "went-on")
    assert run([*words, "--out", went_on, "--continue", str(folder / "run")]) == 0
    all_events = [*words, "--out", str(tmp_path / "all"), "--split", "none", "--epochs", went_on]
    capsys.readouterr()
    assert run(all_events) == 2
    assert "that run went on from another, by few epochs" in capsys.readouterr().err
    assert run([*all_events, "--continue", str(folder / "run")]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--check"], "--continue RUN"),
        (["--base", "llama"], "the recipe's choice: --set backbone.base=llama"),
        (["--base", "llama", "--dry-run"], "the recipe's choice: --set backbone.base=llama"),
        (["--continue", "RUN", "--dry-run"], "leave out --continue"),
        (["--continue", "RUN", "--set", "sequence.dim=8"], "sequence.dim is 8 here and 16 there"),
        (["--continue", "nowhere"], "there is no run at nowhere"),
        (["--continue", "RUN", "--check"], "new-anew, which is there; remove it, or pass --resume"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    words = [str(folder / "run") if word == "RUN" else word for word in words]
    (tmp_path / "new-anew").mkdir()
    capsys.readouterr()
    assert (
        run(["fit", "gru", *SMALL, "--data", str(folder / "grown"), "--out", str(tmp_path / "new"), *words]) == 2
    )
    printed = capsys.readouterr().err.strip().splitlines()
    assert message in printed[-1]
    assert not (tmp_path / "new").exists()
