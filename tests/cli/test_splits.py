"""Runs remember what was held out, and are judged on nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data with times, a saved split, and a run on each of three splits."""
    root = tmp_path_factory.mktemp("splits")
    rows = [(f"u{n % 30}", f"i{(11 * n + n // 30) % 60}", 1000 + 40 * n) for n in range(900)]
    Dataset.from_tables(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")).save(
        root / "data"
    )
    data = str(root / "data")
    assert run(["data", "split", data, "--split", "cold-items", "--share", "0.3", "--out", str(root / "cut")]) == 0
    for name, split in {"last": "leave-last-out", "cold": "cold-items", "saved": str(root / "cut")}.items():
        assert run(["fit", "popularity", "--data", data, "--split", split, "--out", str(root / name)]) == 0
    return root


def evaluate(folder: Path, out: Path, runs: str, *words: str) -> int:
    """Judge runs, named one after the other with blanks between."""
    named = [str(folder / name) for name in runs.split()]
    return run(["evaluate", *named, "--data", str(folder / "data"), "--out", str(out), *words])


@pytest.mark.parametrize(
    ("name", "split"), [("last", "leave-last-out"), ("cold", "cold-items"), ("saved", "cold-items")]
)
def test_a_run_is_judged_on_the_split_it_keeps(folder: Path, tmp_path: Path, name: str, split: str) -> None:
    assert evaluate(folder, tmp_path, name) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    recorded = json.loads((folder / name / "manifest.json").read_text(encoding="utf-8"))["split"]
    assert recorded["name"] == report["context"]["split"] == report["context"]["protocol"]["split"] == split
    assert recorded["hash"] == report["context"]["split_hash"]
    assert report["notes"] == [] or "trained on" not in report["notes"][0]


def test_other_splits_than_the_run_s_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for (runs, *words), message in {
        ("last cold",): "their numbers cannot be compared",
        ("saved cold",): "their numbers cannot be compared",
        ("saved", "--split", "cold-items"): "it may have seen the answers",
        ("last", "--split", str(folder / "cut")): "it may have seen the answers",
        ("cold", "--protocol", "leave-last-out"): "judges 'leave-last-out' splits",
        ("cold", "--split", "cold"): "no split strategy named 'cold'",
    }.items():
        capsys.readouterr()
        assert evaluate(folder, tmp_path / "out", runs, *words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert not (tmp_path / "out").exists()


def test_nothing_held_out_is_nothing_to_cut(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "split", str(folder / "data"), "--split", "none", "--out", str(tmp_path / "cut")]
    assert run(words) == 2
    assert "the split none holds nothing out" in capsys.readouterr().err
    assert not (tmp_path / "cut").exists()


def test_the_split_may_be_given_again(folder: Path, tmp_path: Path) -> None:
    assert evaluate(folder, tmp_path / "a", "saved", "--split", str(folder / "cut")) == 0
    assert evaluate(folder, tmp_path / "b", "cold", "--split", "cold-items") == 0


def test_a_run_without_a_saved_split_is_judged_by_its_name(folder: Path, tmp_path: Path) -> None:
    """As runs are that were made with the library, or copied."""
    from llmrec.models import load

    load(folder / "cold").save(tmp_path / "copy")
    assert not (tmp_path / "copy" / "split").exists()
    words = ["evaluate", str(tmp_path / "copy"), "--data", str(folder / "data"), "--out", str(tmp_path / "report")]
    assert run(words) == 0


def test_resume_knows_the_split(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "popularity", "--data", str(folder / "data"), "--out", str(folder / "cold"), "--resume"]
    assert run([*words, "--split", "cold-items"]) == 0
    assert run(words) == 2
    assert "is a run of other data" in capsys.readouterr().err


def test_help_says_what_is_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in (
        "all but each user's last two events",
        "global-time (the last tenth of all events",
        "llmrec data split",
    ):
        assert words in text
