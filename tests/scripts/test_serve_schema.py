"""Schemathesis against the real command, a little of it; the whole is eval/benchmarks/serve_schema.py."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.serving import NEEDS, films_with_years

pytest.importorskip("fastapi", reason=NEEDS)

from eval.benchmarks.serve_schema import COMMAND, measure, row_of
from llmrec import Recipe
from llmrec.models import from_recipe


@pytest.mark.slow
def test_no_answer_that_the_schema_does_not_name(tmp_path: Path) -> None:
    if shutil.which(COMMAND) is None:
        pytest.skip("schemathesis is not installed: pip install schemathesis")
    from_recipe(Recipe(model="markov")).fit(films_with_years()).save(tmp_path / "run")
    report = measure(tmp_path / "run", COMMAND, examples=2, seconds=20, seed=1)
    assert report["failures"] == report["errors"] == []
    assert row_of(report)["operations"] >= 14
    assert row_of(report)["accepted"] > 20


def test_a_report_is_summed_up() -> None:
    rates = {"GET /a": {"examples": {"accepted": 1}, "fuzzing": {"accepted": 4}}, "GET /b": {}}
    counts = {"generated": 9, "unique_failures": 2}
    report = {"operations": {"tested": 2}, "test_cases": counts, "valid_rates": rates, "errors": [1]}
    row = row_of({**report, "running_time": 1.5})
    assert row == {"operations": 2, "requests": 9, "accepted": 5, "failures": 2, "errors": 1, "seconds": 1.5}
