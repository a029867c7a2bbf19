"""``llmrec predict``, and responses in ``llmrec evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from llmrec import Recipe
from llmrec.cli.app import run

TASKS = ["behavior", "purchase", "rating"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Views and purchases in turn, and a GRU with tasks."""
    path = tmp_path_factory.mktemp("predict")
    kinds = ("pv", "buy")
    rows = [
        (
            f"u{user}",
            f"i{(user * 5 + step * 7) % 11}",
            1_600_000_000 + 86400 * (step + user % 3),
            kinds[step % 2],
            1 + step % 5,
        )
        for user in range(40)
        for step in range(8)
    ]
    names = ["user_id", "item_id", "timestamp", "behavior", "rating"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(path / "events.csv")
    recipe = {
        "name": "tasks",
        "model": "gru-events",
        "tasks": TASKS,
        "history": {"events": ["behavior"]},
        "sequence": {"dim": 16},
        "train": {"epochs": 20, "learning_rate": 0.02, "batch_tokens": 200},
    }
    (path / "tasks.yaml").write_text(Recipe.of(recipe).to_yaml(), encoding="utf-8")
    (path / "plain.yaml").write_text(Recipe.of({"model": "markov"}).to_yaml(), encoding="utf-8")
    assert run(["data", "prepare", str(path / "events.csv"), "--out", str(path / "data")]) == 0
    for name in ("tasks", "plain"):
        words = [str(path / f"{name}.yaml"), "--data", str(path / "data"), "--out", str(path / name)]
        assert run(["fit", *words, "--split", "global-time"]) == 0
    return path


def test_predict_prints_a_row_for_each_item(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", str(folder / "tasks"), "--user", "u7", "--item", "i3", "--item", "i4"]
    assert run([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["item_id"] for row in rows] == ["i3", "i4"]
    assert rows[0]["behavior_buy"] + rows[0]["behavior_pv"] == pytest.approx(1, abs=1e-5)
    assert rows[0]["behavior_pv"] > 0.8  # the last event, that of the run's own histories, was a purchase
    assert 1 <= rows[0]["rating"] <= 5
    assert run(words) == 0
    printed = capsys.readouterr().out
    assert "i3: i3" in printed
    assert "behavior_pv" in printed


@pytest.mark.parametrize(
    ("run_name", "words", "says"),
    [
        ("tasks", ["--user", "u7", "--item", "nothing"], "nothing"),
        ("tasks", ["--item", "i3"], "either --user ID or --history"),
        ("plain", ["--user", "u7", "--item", "i3"], "a markov model predicts no responses"),
    ],
)
def test_a_bad_query_gets_one_line(
    run_name: str, words: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(folder / run_name), *words]) == 2
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1


def test_evaluate_reports_responses_beside_baselines(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmrec.evaluation.responses.metrics.SAMPLES", 3)
    out = folder / "report"
    words = [str(folder / "tasks"), str(folder / "plain"), "--data", str(folder / "data"), "--out", str(out)]
    assert run(["evaluate", *words]) == 0
    assert "responses.html" in capsys.readouterr().out
    report = json.loads((out / "responses.json").read_text(encoding="utf-8"))
    assert {result["model"] for result in report["results"]} == {"tasks", "prior", "markov"}
    assert {result["task"] for result in report["results"]} == set(TASKS)
    plain = folder / "plain-report"
    assert run(["evaluate", str(folder / "plain"), "--data", str(folder / "data"), "--out", str(plain)]) == 0
    assert not (plain / "responses.json").exists()
