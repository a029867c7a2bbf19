"""What `data prepare` prints: every cleaning step, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset, Histories

LOG = """user_id,item_id,timestamp,rating
u1,a ,1600000000,5
 u1,b,1600000060,1
u1,b,1600000060,1
user_id,item_id,timestamp,rating
NA,a,1600000120,4
u2,a,1600000180,4
"""
ITEMS = "item_id,title\na,Heat\nb ,Law &amp; Order\n"
STEPS = (
    "row repeats the header: 1 of 6 events removed",
    "user_id: 1 of 5 ids rewritten, such as ' u1' as 'u1'",
    "item_id: 1 of 5 ids rewritten, such as 'a ' as 'a'",
    "item_id: 1 of 2 ids rewritten, such as 'b ' as 'b'",
    "exact duplicate: 1 of 5 events removed",
    "user_id is a word for nothing: 1 of 4 events removed (NA 1; --keep-missing-words keeps them)",
    "HTML entities decoded in titles: 1 of 2, e.g. 'Law &amp; Order' is 'Law & Order'",
)


def test_each_step_is_printed_once(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG, encoding="utf-8")
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8")
    words = ["data", "prepare", "log.csv", "--items", "items.csv", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-c", "from llmrec.cli import main; main()", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    for step in STEPS:
        assert lines.count(step) == 1, done.stdout
    assert done.stderr == ""
    data = Dataset.load(tmp_path / "out")
    assert len(data.steps) > len(STEPS)
    for recorded in data.steps:  # names and notes of steps are nowhere else
        assert (done.stdout + done.stderr).count(recorded.note) == 1 or not recorded.note


def test_blanks_around_ids_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG, encoding="utf-8")
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8")
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "items.csv")
    assert data.events.select("user_id", "item_id").rows() == [("u1", "a"), ("u1", "b"), ("u2", "a")]
    assert data.catalog.ids == ["a", "b"]
    assert data.catalog.codes([" a", "b\n", "c"]).tolist() == [0, 1, -1]
    assert data.histories.of_user(" u1 ").items(0) == ["a", "b"]
    assert Histories.of({"x ": ["a "]}).user_ids == ("x",)


def test_a_strength_that_is_no_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text(LOG, encoding="utf-8")
    words = ["data", "prepare", str(tmp_path / "log.csv"), "--out", str(tmp_path / "out"), "--strength", "like=x"]
    assert run(words) == 2
    assert capsys.readouterr().err == (
        "error: --strength like=x: that is no whole number; write for example like=2\n"
    )
    assert not (tmp_path / "out").exists()
