"""Every example runs as it stands, and leaves what it says."""

from __future__ import annotations

import importlib.util
import json
import runpy
from pathlib import Path

import polars as pl
import pytest
from support.pages import ROOT

EXAMPLES = ROOT / "examples"


pytestmark = pytest.mark.usefixtures("example_folder")


def run(name: str) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_every_example_is_listed_and_run_here() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    here = Path(__file__).read_text(encoding="utf-8")
    paths = [*EXAMPLES.rglob("*.py"), *EXAMPLES.glob("*.ipynb")]
    files = [path.relative_to(EXAMPLES).as_posix() for path in paths]
    assert len(files) > 8
    assert [name for name in files if f"({name})" not in listed] == []
    elsewhere = {"extend/encoding.py"}  # tests/llm/test_encodings.py
    assert [name for name in files if f'"{name}"' not in here and name not in elsewhere] == []


@pytest.mark.slow
def test_own_data_become_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("own_data.py")
    assert (tmp_path / "runs/examples/own_data/report/report.html").is_file()
    assert "200 users, 30 items" in capsys.readouterr().out


def test_everybody_gets_a_list(tmp_path: Path) -> None:
    run("batch.py")
    lists = pl.read_parquet(tmp_path / "runs/examples/batch/answers/part-*.parquet")
    assert lists.height == 500 * 5
    assert pl.read_parquet(tmp_path / "runs/examples/batch/two/part-*.parquet")["user_id"].n_unique() == 2


def test_a_metric_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    run("extend/metric.py")
    assert "top_three@10_low" in capsys.readouterr().out


def test_a_format_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    run("extend/reader.py")
    assert "brazil" in capsys.readouterr().out


def test_a_strategy_splits(capsys: pytest.CaptureFixture[str]) -> None:
    run("extend/split.py")
    assert "40 users in train, 10 in test" in capsys.readouterr().out


def test_a_recommender_is_fitted_and_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    run("extend/recommender.py")
    assert capsys.readouterr().out.splitlines()[-1] == "NextItem"


@pytest.mark.slow
def test_a_task_is_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    run("extend/task.py")
    assert "dwell" in capsys.readouterr().out


@pytest.mark.slow
def test_a_service_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("fastapi") is None:
        pytest.skip("FastAPI is not installed: pip install 'llmrec[serve]'")
    run("serving.py")
    assert '"Film 06: Distant Mirror"' in capsys.readouterr().out


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_end(tmp_path: Path) -> None:
    notebook = json.loads((EXAMPLES / "log_to_report.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) <= 8
    names: dict[str, object] = {}
    for n, cell in enumerate(cells):
        exec(compile(cell, f"cell {n}", "exec"), names)
    report = names["report"]
    scores = dict(report.table.select("model", "ndcg@10").iter_rows())  # type: ignore[attr-defined]
    assert scores["rules"] > scores["popularity"]
    assert (tmp_path / "runs/notebook/report/report.html").is_file()
