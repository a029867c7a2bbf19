"""--positive: which events are right answers, printed, kept, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Ten people rate five films 1 to 5; the last film of each is rated 1."""
    rows = ["user_id,item_id,rating,timestamp"]
    for user in range(10):
        rows += [f"u{user},f{film},{5 - film},{1_600_000_000 + 60 * film + user}" for film in range(5)]
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def prepared(log: Path, *words: str) -> Path:
    out = log.with_name("data")
    assert run(["data", "prepare", str(log), "--out", str(out), *words]) == 0
    return out


SAID = "10 of 50 events are no positive targets (rating of at most 1 of 5: 10)"


def test_every_command_that_reads_the_log_says_it(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = prepared(log)
    assert f"positive targets: {SAID}" in capsys.readouterr().out
    commands = [
        ["fit", "popularity", "--data", data, "--out", tmp_path / "run"],
        ["evaluate", tmp_path / "run", "--data", data, "--out", tmp_path / "report"],
        ["data", "split", data],
        ["data", "describe", data],
    ]
    for command in commands:
        caplog.clear()
        with caplog.at_level("INFO"):
            assert run([str(word) for word in command]) == 0
        assert SAID in caplog.text, command[0]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["positive"]["negatives"] == {"rating of at most 1 of 5": 10}
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert "10 of 10 test answers (100.0%)" in report["notes"][1]
    assert "no positive targets" in " ".join(capsys.readouterr().out.split())


def test_a_condition_and_all_are_kept(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    four = prepared(log, "--positive", "rating >= 3")
    assert "20 of 50 events are no positive targets (rating >= 3 not met: 20)" in capsys.readouterr().out
    assert Dataset.load(four).positive.rule == "rating >= 3"
    assert run(["data", "prepare", str(log), "--out", str(tmp_path / "all"), "--positive", "all"]) == 0
    assert "all 50 events are positive targets (--positive all), also 10" in capsys.readouterr().out
    assert run(["fit", "popularity", "--data", str(tmp_path / "all"), "--out", str(tmp_path / "run")]) == 0
    assert run(["evaluate", str(tmp_path / "run"), "--data", str(four), "--out", str(tmp_path / "report")]) == 2
    assert "or with other positive targets" in capsys.readouterr().err


@pytest.mark.parametrize("condition", ["ratng >= 4", "rating >=", "rating", "item_id >= 4", "rating > 5"])
def test_a_bad_condition_is_one_line_and_writes_nothing(
    condition: str, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "prepare", str(log), "--out", str(tmp_path / "out"), "--positive", condition]
    assert run(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in said if line.startswith("error: ")]) == 1
    assert said[-1].startswith("error: ratings.csv")
    assert not (tmp_path / "out").exists()


def test_a_log_of_dislikes_alone_is_refused_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,behavior\nu,a,dislike\nu,b,skip\n", encoding="utf-8")
    assert run(["data", "prepare", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "--positive all" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
