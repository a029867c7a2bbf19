"""The written report is that of the result files, and the suites name things that exist."""

from __future__ import annotations

import re
import runpy
import shutil
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from eval import report
from eval.common import read_result
from eval.experiments.responses import CASES, Case, checked
from llmrec import Recipe
from llmrec.config import names
from llmrec.errors import RecipeError
from llmrec.models import from_recipe

EVAL = Path(__file__).resolve().parents[2] / "eval"
SHAPE = ("name", "date", "command", "machine", "versions", "settings", "sections")


def test_the_report_is_that_of_the_results() -> None:
    assert (EVAL / "REPORT.md").read_text(encoding="utf-8") == report.markdown()


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


def test_every_result_has_the_one_shape_and_a_step_that_makes_it() -> None:
    suites = yaml.safe_load((EVAL / "suites.yaml").read_text(encoding="utf-8"))
    steps = {step["result"] for suite in suites.values() for step in suite}
    paths = sorted((EVAL / "results").rglob("*.json"))
    assert len(paths) >= 30
    for path in paths:
        assert path.relative_to(EVAL / "results").as_posix() in steps
        values = read_result(path)
        parts = {"report", "responses", "details"} & values.keys()
        assert values.keys() - parts == {*SHAPE}, path
        assert values["name"] == path.stem
        assert values["sections"] or parts - {"details"}, f"{path} shows nothing"
        for section in values["sections"]:
            assert section.keys() == {"title", "rows"}
            assert section["rows"], path
            for row in section["rows"]:
                nested = [value for value in row.values() if isinstance(value, dict)]
                assert all(value.keys() == {"mean", "low", "high"} for value in nested), (path, row)


def test_the_report_says_how_many_answers_are_no_positive_targets() -> None:
    """Of results of before that was settled by the table of counts, of later ones by their notes."""
    parts = (EVAL / "REPORT.md").read_text(encoding="utf-8").split("\n## ")
    said = {part.splitlines()[0]: part for part in parts}
    assert "84 of 943 test answers would be none by default" in said["The quickstart, MovieLens 100K"]
    assert "here: 84 of 943 test answers are no positive" in said["Baselines that are trained, MovieLens 100K"]
    assert "693 of 40,170 test answers (1.7%) would be no positive" in said["The next product, online-retail"]
    assert "515 of 4,234 test answers (12.2%) would be no positive" in said["Baselines that count, online-retail"]
    assert "no positive targets" not in said["GRU and SASRec on MovieLens 1M"]


def test_the_report_shows_every_number_of_a_table() -> None:
    """The scores, not only the settings: they stand at the end of long files."""
    text = (EVAL / "REPORT.md").read_text(encoding="utf-8")
    rows = [
        row
        for path in (EVAL / "results").glob("accuracy-*.json")
        for row in read_result(path)["sections"][0]["rows"]
    ]
    assert len(rows) >= 12
    for row in rows:
        assert report.cell(row["ndcg@10"]) in text, row


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), ([], "–"), (True, "yes"), (20_000_000, "20,000,000"), (0.0, "0.000"), (0.0358, "0.0358"),
        (6447.1, "6,447"), (1.9e-06, "1.9e-06"), ([1.5, 2.0], "1.50, 2.00"), ("a" * 64, "`aaaaaaaaaaaa`"),
        ({"mean": 0.1057, "low": 0.0919, "high": 0.1207}, "0.106 [0.092, 0.121]"),
    ],
)  # fmt: skip
def test_a_cell_reads_as_a_reader_would_write_it(value: object, shown: str) -> None:
    assert report.cell(value) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("peak_memory_gib", "peak memory (GiB)"), ("append_ms", "append (ms)"), ("train_seconds", "train (s)"),
        ("seconds", "seconds"), ("tokens_per_second", "tokens/s"), ("valid_ndcg@10", "valid NDCG@10"),
        ("p_value_recall@10", "p Recall@10"), ("times_pandas", "× pandas"), ("times", "times"),
    ],
)  # fmt: skip
def test_a_column_is_named_with_its_unit(name: str, shown: str) -> None:
    assert report.header(name) == shown


def test_a_column_without_values_is_left_out() -> None:
    rows: list[dict[str, Any]] = [{"model": "a", "failure": None}, {"model": "b", "seconds": 1.0}]
    assert report.table_of(rows) == "| model | seconds |\n| --- | ---: |\n| a | – |\n| b | 1.00 |"


def test_the_built_page_links_to_a_page_for_each_report() -> None:
    names = report.reports().keys()
    assert len(names) >= 10
    page = report.index(names)
    assert "<table>" in page
    assert set(re.findall(r'href="([\w.-]+)\.html"', page)) == names
    assert 'href="results' not in page
    files = re.findall(r'href="\.\./(results/[^"]+)"', page)
    assert files
    assert all((EVAL / file).is_file() for file in files)


def test_suites_name_scripts_and_recipes_that_exist() -> None:
    suites = yaml.safe_load((EVAL / "suites.yaml").read_text(encoding="utf-8"))
    steps = [step for suite in suites.values() for step in suite]
    assert {step["title"] for step in steps if "title" in step} == {
        step["title"] for step in steps if "measured" in step
    }
    lines = [line.split() for step in steps for line in step["commands"]]
    assert len(lines) >= 5
    for line in lines:
        for word in line:
            assert not word.startswith("eval/") or (EVAL.parent / word).is_file(), word
        if "eval/experiments/baselines.py" in line:
            runs = {Path(word).name for word in line if word.startswith("runs/")}
            named = takewhile(lambda word: not word.startswith("--"), line[3:])
            recipes = {Path(word).name for word in named}
            assert recipes <= {*names(), *runs}


def test_fields_that_suites_and_cases_change_are_read_by_their_models() -> None:
    suites = yaml.safe_load((EVAL / "suites.yaml").read_text(encoding="utf-8"))
    lines = [line.split() for suite in suites.values() for step in suite for line in step["commands"]]
    # RECIPE:FIELD=VALUE where a script takes several recipes, else of its own, or of the one named behind it.
    own = {
        "eval/experiments/generative.py": "smollm2-135m-lora",
        "eval/experiments/text_histories.py": "smollm2-135m-soft",
    }
    changes = [
        (own.get(words[1], words[2]), words[n + 1])
        for words in lines
        for n, word in enumerate(words)
        if word == "--set"
    ]
    assert len(changes) >= 10
    for only, written in changes:
        recipe, several, change = written.partition(":")
        from_recipe(Recipe.load(recipe if several else only, set=[change if several else written]))
    for case in (Case(**values) for values in CASES.values()):
        assert [case.with_tasks(words, []) for words in case.recipes]
        assert len({checked(words).name for words in case.ranked}) == len(case.ranked)
    with pytest.raises(RecipeError, match="lora"):
        checked("popularity lora.r=4")


def test_an_unknown_suite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["run.py", "--suite", "nothing"])
    assert runpy.run_path(str(EVAL / "run.py"))["main"]() == 2


def test_every_search_space_is_of_a_recipe_and_its_fields() -> None:
    spaces = sorted((EVAL.parent / "finetune" / "search").glob("*.yaml"))
    assert len(spaces) >= 6
    for space in spaces:
        fields = yaml.safe_load(space.read_text(encoding="utf-8"))
        for name, values in fields.items():
            for value in values:
                Recipe.load(space.stem, set=[f"{name}={value}"])
