"""Every script starts, and those that need no weights do their work on a small scale."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eval import report
from eval.common import read_result
from llmrec import ItemIndex, Recipe, Split
from llmrec.data import toy_films
from llmrec.models.runs import fit_run

EVAL = Path(__file__).resolve().parents[2] / "eval"
SCRIPTS = sorted(
    path.relative_to(EVAL).with_suffix("").as_posix()
    for folder in ("experiments", "benchmarks")
    for path in (EVAL / folder).glob("*.py")
    if "def main(" in path.read_text(encoding="utf-8")
)
WITHOUT_RESULT = ("experiments/blind_pairs", "experiments/film_relations")  # they write a form, and relations
PEERS = sorted(path for path in (EVAL / "peers").glob("*.py") if path.name != "launch.py")


def run(script: str, *words: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a script's ``main`` with a command line."""
    monkeypatch.setattr("sys.argv", [str(EVAL / f"{script}.py"), *map(str, words)])
    importlib.import_module(f"eval.{script.replace('/', '.')}").main()


def shown(path: Path) -> str:
    """The section that REPORT.md would have of a result."""
    return report.body(report.Section("Tiny", "What was measured.", ("python tiny.py",), (path,)), path.parent)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of toy films."""
    folder = tmp_path_factory.mktemp("data") / "films"
    toy_films(n_items=12, n_users=30).save(folder)
    return folder


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 19
    assert len(PEERS) >= 5


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_starts(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(script, "--help", monkeypatch=monkeypatch)
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"python eval/{script}.py" in text
    assert "--out" in text or script in WITHOUT_RESULT


@pytest.mark.parametrize("path", PEERS, ids=lambda path: path.stem)
def test_every_peer_names_what_it_needs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    compile(text, path, "exec")
    header = text.split("# ///")[1]
    assert header.startswith(" script\n")
    (line,) = (line for line in header.splitlines() if line.startswith("# dependencies = "))
    named = {
        str(one).split("=")[0].split(">")[0].split("[")[0].split("<")[0] for one in ast.literal_eval(line[17:])
    }
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    brought = {"torch", "pandas", "numpy", "datasets", "transformers", "polars", "scipy"}
    missing = imported - named - brought - sys.stdlib_module_names - {name.replace("-", "_") for name in named}
    assert missing == set()


def test_baselines(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["tiny", "popularity", "markov", "--fuse", "popularity", "markov", "--data", films, "--out", tmp_path]
    run("experiments/baselines", *words, monkeypatch=monkeypatch)
    (path,) = tmp_path.glob("tiny-*.json")
    models = [row["model"] for row in read_result(path)["report"]["results"]]
    assert models == ["popularity + markov", "popularity", "markov"]
    assert "| markov |" in shown(path)


@pytest.mark.slow
def test_ablation(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["rules", "--without", "linear", "markov,popularity", "--data", films, "--out", tmp_path]
    run("experiments/ablation", *words, monkeypatch=monkeypatch)
    (path,) = tmp_path.glob("ablation-*.json")
    values = read_result(path)
    models = [row["model"] for row in values["report"]["results"]]
    (weights,) = values["sections"]
    members = [row["member"] for row in weights["rows"]]
    assert len(members) > 3
    assert models == ["rules", "without linear", "without markov, popularity", *members]
    with pytest.raises(SystemExit):
        run("experiments/ablation", "rules", "--without", "gru", *words[4:], monkeypatch=monkeypatch)


def test_continue_training(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a model that counts: it is fitted anew, so that both have the same lists."""
    monkeypatch.chdir(tmp_path)
    words = ["item-knn", "--newest", "0.3", "--data", films, "--out", tmp_path]
    run("benchmarks/continue_training", *words, monkeypatch=monkeypatch)
    (path,) = tmp_path.glob("continued-item-knn-*.json")
    judged, (ratio,) = (section["rows"] for section in read_result(path)["sections"])
    assert [row["model"] for row in judged] == ["continued", "before", "anew"]
    assert judged[0]["ndcg@10"] == judged[2]["ndcg@10"]
    assert judged[2]["overlap@10"] == ratio["ndcg_of_anew"] == 1.0
    assert ratio["new_events"] > 0
    assert "| continued |" in shown(path)


def test_accuracy(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["popularity", "markov", "--seeds", "2", "--set", "markov:counting.order=1", "--data", films]
    run("experiments/accuracy", *words, "--out", tmp_path, monkeypatch=monkeypatch)
    (path,) = tmp_path.glob("accuracy-*.json")
    values = read_result(path)
    assert {row["against"] for row in values["report"]["seeds_compared"]} == {
        "markov",
        "fusion of popularity and markov",
    }
    shuffled, weights = values["sections"]
    assert [row["recipe"] for row in shuffled["rows"]] == ["popularity", "markov"]
    assert [row["seed"] for row in weights["rows"]] == [0, 1]
    assert "Mean over seeds" in shown(path)


def test_tune(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["markov-3", "--trials", "3", "--data", films, "--out", tmp_path]
    run("experiments/tune", *words, monkeypatch=monkeypatch)
    (path,) = (tmp_path / "tune").glob("*.json")
    trials = read_result(path)["details"]["trials"]
    assert 2 <= len(trials) <= 3
    (row,) = read_result(path)["sections"][0]["rows"]
    assert row["valid_ndcg@10_of_the_best"] == max(trial["valid_ndcg@10"] for trial in trials)
    run("experiments/tune", *words, monkeypatch=monkeypatch)
    assert read_result(path)["details"]["trials"] == trials


def test_peers(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--only", "implicit-als", "--python", f"implicit-als={sys.executable}", "--data", films]
    run("experiments/peers", *words, "--out", tmp_path, monkeypatch=monkeypatch)
    (path,) = (tmp_path / "peers").glob("*.json")
    (row,) = read_result(path)["sections"][0]["rows"]
    assert row["failure"] is None
    assert 0 <= row["ndcg@10"]["low"] <= row["ndcg@10"]["high"] <= 1
    assert row["peak_memory_gib"] > 0


@pytest.mark.slow
def test_responses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, n = np.random.default_rng(0), 1500
    columns: dict[str, Any] = {
        "user_id": [f"u{user}" for user in rng.integers(40, size=n)],
        "item_id": [f"i{item}" for item in rng.integers(20, size=n)],
        "timestamp": np.arange(n) * 3600 + 1_700_000_000,
        "rating": rng.integers(1, 6, size=n),
    }
    pl.DataFrame(columns).write_csv(tmp_path / "interactions.csv.gz", compression="gzip")
    words = ["media", "--data", tmp_path, "--recipes", "--out", tmp_path / "out"]
    run("experiments/responses", *words, monkeypatch=monkeypatch)
    path = tmp_path / "out" / "responses-media.json"
    models = {row["model"] for row in read_result(path)["responses"]["results"]}
    assert {"prior", "markov", "hmm", "logistic", "boosting", "bias", "factors"} <= models
    assert "| factors |" in shown(path)


def test_a_recipe_without_tasks_is_refused_by_the_responses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("experiments/responses", "media", "--recipes", "popularity", monkeypatch=monkeypatch)
    assert stopped.value.code == 2
    assert "popularity" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose reasons can be given."""
    data = toy_films(n_items=12, n_users=30)
    split: Split = Split.leave_last_out(data)
    folder = tmp_path_factory.mktemp("runs") / "markov"
    fit_run(Recipe.load("markov"), data, split, folder, progress=False)
    return folder


def test_reasons(trained: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(
        "experiments/reasons",
        trained,
        "--recs",
        6,
        "--base",
        tiny_base,
        "--out",
        tmp_path,
        monkeypatch=monkeypatch,
    )
    path = tmp_path / "reasons.json"
    sentences = {row["measure"]: row for row in read_result(path)["sections"][0]["rows"]}
    readings = {row["kind"]: row for row in read_result(path)["sections"][2]["rows"]}
    assert 0 < readings["name"]["statements"] == readings["name"]["right"]
    assert sentences["faithful"]["value"]["mean"] == 1.0
    assert len((tmp_path / "reasons_shown.txt").read_text(encoding="utf-8").splitlines()) == 6
    assert "every claim is in the evidence" in shown(path)


def test_narration_speed(trained: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [trained, "--sentences", 2, "--base", tiny_base, "--out", tmp_path]
    run("benchmarks/narration_speed", *words, monkeypatch=monkeypatch)
    modes = [row["mode"] for row in read_result(tmp_path / "narration_speed.json")["sections"][0]["rows"]]
    assert modes == ["batched", "loop"]


@pytest.mark.slow
def test_explain_speed(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [trained, "--user", 3, "-k", 2, "--repeats", 1, "--out", tmp_path]
    run("benchmarks/explain_speed", *words, monkeypatch=monkeypatch)
    command, reasons, evidence = (one["rows"] for one in read_result(tmp_path / "explain_speed.json")["sections"])
    assert [row["options"] for row in command] == ["none", "--explain"]
    assert [row["mode"] for row in reasons] == ["planned"], "this run has no LLM"
    assert evidence[1]["largest_difference"] < 1e-3


@pytest.mark.slow
def test_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("benchmarks/scale", "--events", 20_000, "--items", 200, "--out", tmp_path, monkeypatch=monkeypatch)
    ours, theirs = read_result(tmp_path / "scale.json")["sections"][0]["rows"]
    assert ours["same_parts"]
    assert ours["train"] == theirs["train"] > 0


def test_evaluation_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("benchmarks/evaluation_speed", "--users", 200, "--items", 300, "--out", tmp_path, monkeypatch=monkeypatch)
    costs, metrics = read_result(tmp_path / "evaluation_speed.json")["sections"]
    assert [row["side"] for row in costs["rows"]] == ["llmrec", "ir-measures"]
    ours, theirs = ({name: row[name] for name in row if "@" in name} for row in metrics["rows"])
    assert ours == pytest.approx(theirs)
    assert ours["ndcg@10"] > 0.1


def test_item_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((40, 8)).astype(np.float32)
    ItemIndex.build(vectors, range(40), bias=draw.standard_normal(40)).save(tmp_path / "source")
    words = ["--run", tmp_path / "source", "--items", 3000, "--dim", 8, "--queries", 50]
    kinds = ["--kinds", "flat", "hnsw", "ivf-flat"]
    run("benchmarks/item_index", *words, *kinds, "--out", tmp_path, monkeypatch=monkeypatch)
    flat, *others = read_result(tmp_path / "item_index-3000.json")["sections"][0]["rows"]
    assert flat["recall@10"] == 1.0
    for row in others:
        assert row["recall@10"] > 0.9
        assert row["recall@10, 1% left"] == 1.0
        assert row["recall@10, 30% left"] > 0.9
        assert row["estimated_gib"] == pytest.approx(row["written_gib"], rel=0.1)
        assert row["held_gib"] > 0
    assert "hnsw" in shown(tmp_path / "item_index-3000.json")
