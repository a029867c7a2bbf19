"""The table that `make quickstart` leaves is the committed one, each mean within the other's interval."""

from __future__ import annotations

from pathlib import Path

import pytest

import llmrec
from eval.common import read_result
from llmrec.evaluation import Report
from llmrec.evaluation.results import Result
from llmrec.models import from_recipe

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / "runs" / "quickstart" / "report.json"


def committed() -> Report:
    return Report.model_validate(read_result(ROOT / "eval" / "results" / "quickstart.json")["report"])


def outside(made: tuple[Result, ...], reference: Report) -> list[str]:
    """Name the means that lie outside the reference's interval; a model that it lacks is named, too."""
    by_model = {result.model: result.metrics for result in reference.results}
    return [
        f"{result.model} {name} {interval.mean:.3f}"
        for result in made
        for name, interval in result.metrics.items()
        if result.model not in by_model
        or not by_model[result.model][name].low <= interval.mean <= by_model[result.model][name].high
    ]


@pytest.mark.skipif(
    not MADE.is_file(), reason="run make quickstart first: its table is compared with the committed one"
)
def test_what_quickstart_trained_is_within_the_committed_intervals() -> None:
    made = Report.load(MADE)
    assert {result.model for result in made.results} == {result.model for result in committed().results}
    assert outside(made.results, committed()) == []


@pytest.mark.wheel
def test_the_rules_of_the_table_are_as_committed() -> None:
    split = llmrec.Split.leave_last_out(llmrec.Dataset.fetch("ml-100k", positive="all"))
    models = {name: from_recipe(llmrec.Recipe.load(name)).fit(split.train) for name in ("popularity", "markov")}
    made = llmrec.evaluate(models, split)
    assert outside(made.results, committed()) == []
    assert [result.model for result in made.results] == ["popularity", "markov"]


def test_a_worse_model_is_named() -> None:
    first = committed().results[0]
    ndcg = first.metrics["ndcg@10"]
    worse = ndcg.model_copy(update={"mean": ndcg.low - 0.001})
    planted = first.model_copy(update={"metrics": {**first.metrics, "ndcg@10": worse}})
    assert outside((planted,), committed()) == [f"{first.model} ndcg@10 {worse.mean:.3f}"]
