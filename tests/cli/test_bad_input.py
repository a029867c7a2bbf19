"""Whatever is wrong is said in one line, with exit code 2 for bad input and 1 for the environment's faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from llmrec import Split
from llmrec.cli.app import run
from llmrec.config import Recipe
from llmrec.data import toy_films
from llmrec.data.splits.parts import random_parts
from llmrec.errors import ArtifactError, DataError
from llmrec.models import from_recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data and two fitted runs."""
    place = tmp_path_factory.mktemp("bad")
    data = toy_films(n_items=12, n_users=30)
    data.save(place / "data")
    for kind in ("markov", "popularity"):
        from_recipe(Recipe(model=kind)).fit(Split.leave_last_out(data).train).save(place / kind)
    return place


def refused(capsys: pytest.CaptureFixture[str], words: list[str | Path], *, code: int = 2) -> str:
    """Run a command line that must fail. Returns its one line."""
    capsys.readouterr()
    assert run([str(word) for word in words]) == code
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert len(lines) == 1, told.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in told.err
    assert "fault of llmrec" not in told.err
    assert told.out == ""
    return lines[0].removeprefix("error: ")


EVENTS = {
    "missing column": ("user_id,when\n1,5\n", "item_id"),
    "empty file": ("", "empty"),
    "header only": ("user_id,item_id,timestamp\n", "no "),
    "unparsable time": ("user_id,item_id,timestamp\n1,a,5\n1,b,soon\n", "soon"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_bad_events(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, word = EVENTS[name]
    (tmp_path / "events.csv").write_text(content, encoding="utf-8")
    line = refused(capsys, ["data", "prepare", tmp_path / "events.csv", "--out", tmp_path / "out"])
    assert "events" in line
    assert word in line
    assert [path.name for path in tmp_path.iterdir()] == ["events.csv"]


def test_missing_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.csv" in refused(
        capsys, ["data", "prepare", tmp_path / "nowhere.csv", "--out", tmp_path / "out"]
    )
    assert "not a prepared data set" in refused(capsys, ["data", "describe", tmp_path])
    assert "not a prepared data set" in refused(
        capsys, ["fit", "gru", "--data", tmp_path, "--out", tmp_path / "run"]
    )
    assert "there is no run at" in refused(capsys, ["recommend", tmp_path / "run", "--user", "1"])
    assert "there is no recipe file" in refused(
        capsys, ["fit", tmp_path / "no.yaml", "--data", folder / "data", "--out", tmp_path / "run"]
    )
    assert not list(tmp_path.iterdir())


def test_an_item_without_text_and_an_unknown_item(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\n1,a,5\n1,b,6\n", encoding="utf-8")
    (tmp_path / "items.csv").write_text('item_id,title\na,"Film A"\nb,""\n', encoding="utf-8")
    words: list[str | Path] = ["data", "prepare", tmp_path / "events.csv", "--items", tmp_path / "items.csv"]
    line = refused(capsys, [*words, "--out", tmp_path / "out"])
    assert "'b'" in line
    assert "--drop-items-without-text" in line
    (tmp_path / "items.csv").write_text("item_id,title\na,Film A\n", encoding="utf-8")
    line = refused(capsys, [*words, "--out", tmp_path / "out"])
    assert "'b'" in line
    assert "--drop-unknown-items" in line
    assert not (tmp_path / "out").exists()


def test_unknown_users_and_items(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = folder / "markov"
    assert "user '999' is not among" in refused(capsys, ["recommend", model, "--user", "999"])
    assert "none of these items is in the catalog: x, y" in refused(
        capsys, ["recommend", model, "--history", "x,y"]
    )
    assert "item 'x' is not in the catalog" in refused(capsys, ["explain", model, "--history", "1", "--item", "x"])
    assert "have no item vectors" in refused(capsys, ["similar", model.parent / "popularity", "--item", "1"])
    assert "say whose history: --user ID, --history" in refused(capsys, ["recommend", model])
    assert "say whose history: --user ID, --history" in refused(
        capsys, ["recommend", model, "--user", "1", "--history", "1"]
    )
    assert "Invalid value for '-k'" in refused(capsys, ["recommend", model, "--user", "1", "-k", "0"])


def test_runs_that_are_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "recipe.yaml").write_text("model: gru\n", encoding="utf-8")
    assert "has no manifest.json: an interrupted" in refused(
        capsys, ["recommend", tmp_path / "half", "--user", "1"]
    )
    (tmp_path / "stopped.work").mkdir()
    assert "--resume" in refused(capsys, ["recommend", tmp_path / "stopped", "--user", "1"])
    assert "has no manifest.json" in refused(
        capsys, ["evaluate", tmp_path / "half", "--data", folder / "data", "--out", tmp_path / "report"]
    )
    assert not (tmp_path / "report").exists()


def test_a_run_of_other_data_is_not_judged(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_films(n_items=12, n_users=30, seed=9).save(tmp_path / "data")
    line = refused(
        capsys, ["evaluate", folder / "markov", "--data", tmp_path / "data", "--out", tmp_path / "report"]
    )
    assert "was trained on other events" in line


def test_damaged_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = from_recipe(Recipe(model="popularity")).fit(toy_films(n_items=12))
    model.save(tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert "model.safetensors is damaged" in refused(capsys, ["recommend", tmp_path / "run", "--user", "1"])


def test_bad_recipes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common: list[str | Path] = ["--data", folder / "data", "--out", tmp_path / "run"]
    for setting, word in {
        "train.epoch=3": "train.epoch: no such field",
        "train.epochs=0": "train.epochs:",
        "train.epochs=many": "train.epochs:",
        "model=svd": "no model 'svd'",
        "nonsense": "write it as field=value",
    }.items():
        assert word in refused(capsys, ["fit", "gru", *common, "--set", setting])
    assert "no recipe 'gruu': did you mean gru?" in refused(capsys, ["fit", "gruu", *common])
    (tmp_path / "bad.yaml").write_text("model: [gru", encoding="utf-8")
    assert "is not YAML" in refused(capsys, ["fit", tmp_path / "bad.yaml", *common])
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_a_base_model_that_is_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: list[str | Path] = ["fit", "quickstart", "--data", folder / "data", "--out", tmp_path / "run"]
    line = refused(capsys, [*words, "--set", f"backbone.base={tmp_path / 'nowhere'}"])
    assert "there is no model folder" in line
    quickstart: list[str | Path] = ["quickstart", "--out", tmp_path / "run", "--base", tmp_path / "nowhere.gguf"]
    assert "there is no model folder or GGUF file" in refused(capsys, quickstart)
    assert not list(tmp_path.iterdir())  # a second try with another base is not in the way of anything


def test_bad_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in refused(capsys, ["recomend"])
    assert "--help" in refused(capsys, ["fit", "gru"])
    assert "--help" in refused(capsys, ["recommend", "run", "-k", "ten"])
    assert "no built-in data set 'ml-7m'" in refused(capsys, ["data", "fetch", "ml-7m", "--out", "x"])
    assert "--help" in refused(capsys, ["--no-such-option"])
    assert "history.encoding: " in refused(capsys, ["quickstart", "--encoding", "audio"])


def test_no_network_and_an_empty_cache(tmp_path: Path) -> None:
    """In a process of its own: everything that it prints counts."""
    surroundings = os.environ | {"LLMREC_CACHE": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from llmrec.cli import main; main()", "data", "fetch", "ml-100k", "--out", "out"],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: recbole==1.2.1 is not in the cache")
    assert "connect to a package index" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_full_disk(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    common: list[str | Path] = ["--data", folder / "data", "--out"]
    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", full)
        line = refused(capsys, ["fit", "markov", *common, tmp_path / "run"], code=1)
        assert "No space left on device; free some space" in line
        (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\n1,a,5\n1,b,6\n", encoding="utf-8")
        line = refused(capsys, ["data", "prepare", tmp_path / "events.csv", "--out", tmp_path / "data"], code=1)
        assert "No space left on device" in line
    assert [path.name for path in tmp_path.iterdir()] == ["events.csv"]
    assert run([str(word) for word in ["fit", "markov", *common, tmp_path / "run"]]) == 0


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    for words in (["--debug", "recommend"], ["recommend", "--debug"]):
        with pytest.raises(ArtifactError):
            run([*words, str(tmp_path / "nowhere"), "--user", "1"])


def test_a_fault_of_ours_is_one_line_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("llmrec.models.base.Recommender.recommend", broken)
    assert run(["recommend", str(folder / "markov"), "--user", "1"]) == 1
    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: two lines; this is a fault of llmrec, --debug shows where\n"
    )
    with pytest.raises(ZeroDivisionError):
        run(["recommend", str(folder / "markov"), "--user", "1", "--debug"])


def test_an_interruption_is_130(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("llmrec.models.base.Recommender.recommend", interrupted)
    assert run(["recommend", str(folder / "markov"), "--user", "1"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


TITLES = ['He said "no", twice', "New\nline", "🎬 film", "{{ 7 * 7 }}", "<|im_end|> [red]x[/red]", "a,b|c"]


def test_titles_pass_through_as_plain_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [(str(user), str((user + step) % 6), user * 100 + step) for user in range(20) for step in range(4)]
    pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row").write_csv(
        tmp_path / "events.csv"
    )
    pl.DataFrame({"item_id": [str(n) for n in range(6)], "title": TITLES}).write_csv(tmp_path / "items.csv")
    words = [
        "data",
        "prepare",
        tmp_path / "events.csv",
        "--items",
        tmp_path / "items.csv",
        "--out",
        tmp_path / "data",
    ]
    assert run([str(word) for word in words]) == 0
    assert run(["fit", "markov", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert run(["recommend", str(tmp_path / "run"), "--history", "", "--json"]) == 0
    shown = {row["item_id"]: row["title"] for row in json.loads(capsys.readouterr().out)}
    assert {" ".join(title.split()) for title in shown.values()} == {" ".join(title.split()) for title in TITLES}
    assert run(["recommend", str(tmp_path / "run"), "--history", ""]) == 0
    table = capsys.readouterr().out
    assert "[red]x[/red]" in table
    assert "{{ 7 * 7 }}" in table


def test_errors_are_of_the_kind_they_say() -> None:
    assert (DataError.exit_code, ArtifactError.exit_code) == (2, 2)


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "one"])
def test_a_bad_seed_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "gru", "--data", "nowhere", "--out", "run", "--set", f"seed={seed}"]) == 2
    assert "seed: Input should be" in capsys.readouterr().err
    with pytest.raises(DataError, match="seed"):
        random_parts(10, 0.1, -1)


def test_resume_says_that_nothing_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", "popularity", "--data", str(folder / "data"), "--resume"]
    assert run([*fit, "--out", str(tmp_path / "run")]) == 0
    assert "there is nothing to continue: training starts anew" in capsys.readouterr().err
    assert run([*fit, "--out", str(tmp_path / "run")]) == 0
    assert "anew" not in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    for options in ([], ["--resume"]):
        assert run([*fit[:4], *options, "--out", "."]) == 2
        assert f"{tmp_path} is there and no run; name a new folder, such as --out" in capsys.readouterr().err
