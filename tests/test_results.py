"""The written report is that of the result files, and the suites name things that exist."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest
import yaml

from llmrec.config import names

EVAL = Path(__file__).resolve().parent.parent / "eval"


def test_the_report_is_that_of_the_results() -> None:
    script = runpy.run_path(str(EVAL / "report.py"))
    assert (EVAL / "REPORT.md").read_text(encoding="utf-8") == script["markdown"]()


def test_a_changed_number_makes_the_report_stale(tmp_path: Path) -> None:
    for name in ("results", "report.py", "suites.yaml", "REPORT.md"):
        copy = shutil.copytree if (EVAL / name).is_dir() else shutil.copy
        copy(EVAL / name, tmp_path / name)
    assert runpy.run_path(str(tmp_path / "report.py"))["main"](["check"]) == 0
    (changed,) = (tmp_path / "results").glob("quickstart.json")
    text = changed.read_text(encoding="utf-8")
    changed.write_text(text.replace('"mean": 0.1', '"mean": 0.2', 1), encoding="utf-8")
    assert text != changed.read_text(encoding="utf-8")
    assert runpy.run_path(str(tmp_path / "report.py"))["main"](["check"]) == 1


def test_the_report_shows_what_was_compared() -> None:
    """The scores, not only the settings: they stand at the end of long files."""
    text = (EVAL / "REPORT.md").read_text(encoding="utf-8")
    found = sorted((EVAL / "results").glob("accuracy-*.json"))
    assert found
    for path in found:
        values = json.loads(path.read_text(encoding="utf-8"))
        for name, recipe in values["recipes"].items():
            assert f"{recipe['mean']['ndcg@10']['mean']:.4f} [" in text, (path.name, name)


def test_suites_name_scripts_and_recipes_that_exist() -> None:
    suites = yaml.safe_load((EVAL / "suites.yaml").read_text(encoding="utf-8"))
    words = [step["commands"] for suite in suites.values() for step in suite]
    lines = [line.split() for commands in words for line in commands]
    assert len(lines) >= 5
    for line in lines:
        for word in line:
            assert not word.startswith("eval/") or (EVAL.parent / word).is_file(), word
        if "eval/experiments/baselines.py" in line:
            runs = {Path(word).name for word in line if word.startswith("runs/")}
            asked = {Path(word).name for word in line[3:] if word != "--fuse"}
            assert asked <= {*names(), *runs}


def test_an_unknown_suite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["run.py", "--suite", "nothing"])
    assert runpy.run_path(str(EVAL / "run.py"))["main"]() == 2


def test_every_search_space_is_of_a_recipe_and_its_fields() -> None:
    from llmrec import Recipe

    spaces = sorted((EVAL.parent / "finetune" / "search").glob("*.yaml"))
    assert len(spaces) >= 6
    for space in spaces:
        fields = yaml.safe_load(space.read_text(encoding="utf-8"))
        for name, values in fields.items():
            for value in values:
                Recipe.load(space.stem, set=[f"{name}={value}"])
