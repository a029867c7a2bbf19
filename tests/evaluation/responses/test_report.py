"""Metrics of responses by hand, their intervals, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.markup import check_page

from llmrec import Dataset, Split
from llmrec.data.responses import TaskSet
from llmrec.errors import DataError
from llmrec.evaluation.responses import metrics
from llmrec.evaluation.responses.judge import judge_responses, response_queries
from llmrec.evaluation.responses.report import ResponseReport
from llmrec.evaluation.responses.results import ResponseResult
from llmrec.evaluation.responses.summary import skill, verdicts
from llmrec.evaluation.significance import Interval
from llmrec.models.responses.baselines import MarkovResponses, PriorResponses

TARGETS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.35, 0.65], [0.2, 0.8]])


def test_class_metrics_by_hand() -> None:
    values = metrics.class_metrics(TARGETS, PROBABILITIES)
    assert values["accuracy"] == 0.75
    assert values["precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert values["recall"] == pytest.approx((0.5 + 1) / 2)
    assert values["f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert values["roc_auc"] == 1
    assert values["pr_auc"] == 1
    assert values["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.65, 0.8]).mean())
    # Bins of a tenth: 0.1 was 0 of 1; 0.6 and 0.65 were 1 of 2; 0.8 was 1 of 1.
    assert values["calibration_error"] == pytest.approx((0.1 + abs(1 - 1.25) + 0.2) / 4)
    assert metrics.confusion(TARGETS, PROBABILITIES) == [[1, 1], [0, 2]]
    rows = metrics.per_class(TARGETS, PROBABILITIES, ("no", "yes"))
    assert [row["support"] for row in rows] == [2, 2]
    assert rows[1]["precision"] == pytest.approx(2 / 3)


def test_three_classes_of_which_one_never_occurs() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    values = metrics.class_metrics(np.array([0, 1, 1]), probabilities)
    assert values["accuracy"] == pytest.approx(2 / 3)
    assert values["recall"] == pytest.approx(0.75)  # of the two that occur
    assert values["roc_auc"] == 1
    single = metrics.class_metrics(np.array([1, 1]), probabilities[:2])
    assert np.isnan(single["roc_auc"])


def test_number_metrics_by_hand() -> None:
    values = metrics.number_metrics(np.array([1.0, 3.0]), np.array([2.0, 5.0]))
    assert values == pytest.approx({"mae": 1.5, "rmse": np.sqrt(2.5)})


def test_intervals_resample_users_not_events() -> None:
    """One user has all the errors: resampling events would give far too narrow an interval."""
    wrong = np.repeat(np.arange(10) == 0, 100).astype(np.float64)

    def measure(rows: np.ndarray) -> dict[str, float]:
        return {"error": float(wrong[rows].mean())}

    of_users = metrics.intervals(measure, np.repeat(np.arange(10), 100))["error"]
    of_events = metrics.intervals(measure, np.arange(1000))["error"]
    assert of_users.mean == of_events.mean == 0.1
    assert of_users.high - of_users.low > 3 * (of_events.high - of_events.low)


def shop() -> Dataset:
    draw, rows = np.random.default_rng(0), []
    for user in range(40):
        for position in range(8):
            kind = "buy" if (position + user) % 2 else "pv"
            rows.append(
                (f"u{user}", str(draw.integers(6)), 86400 * (position + user % 4), kind, 1.0 + position % 5)
            )
    names = ["user_id", "item_id", "timestamp", "behavior", "rating"]
    items = {"item_id": [str(n) for n in range(6)], "title": [f"Film {n}" for n in range(6)]}
    return Dataset.from_tables(
        pl.DataFrame(rows, schema=names, orient="row"), items=items, name="shop <1>", time_format="seconds"
    )


@pytest.fixture(scope="module")
def report() -> ResponseReport:
    split = Split.global_time(shop())
    tasks = TaskSet.fit(split.train, ["behavior", "rating"])
    models = {
        "markov": MarkovResponses().fit(split.train, tasks),
        "prior": PriorResponses().fit(split.train, tasks),
    }
    queries = response_queries(split, tasks)
    return judge_responses(models, queries, tasks, about="shop <1>", split=split.name, samples=20)


def test_queries_are_the_fold_s_events_after_all_strictly_earlier() -> None:
    split = Split.global_time(shop())
    tasks = TaskSet.fit(split.train, ["behavior"])
    queries = response_queries(split, tasks)
    assert queries.targets.height == split.held_out.height
    assert queries.targets["owner"].to_list() == split.held_out["user_id"].to_list()
    assert queries.targets["item_id"].to_list() == split.held_out["item_id"].to_list()
    for n, name in enumerate(queries.histories.user_ids):
        owner, length = name.split("@")
        whole = split.data.histories.of_user(owner).events
        assert queries.histories.take([n]).events.equals(whole[: int(length)])
    few = response_queries(split, tasks, most=5, window=2)
    assert few.targets.height == 5
    assert few.histories.lengths().max() <= 2


def test_a_saved_report_is_read_back_equal(report: ResponseReport, tmp_path: Path) -> None:
    report.save(tmp_path)
    again = ResponseReport.load(tmp_path)
    assert again == report
    assert report.table.filter(task="behavior", model="markov", metric="accuracy")["value"][0] == 1
    page = (tmp_path / "responses.html").read_text(encoding="utf-8")
    assert len(check_page(page).of("svg")) == 1  # curves of the classes, nothing for the ratings
    assert "shop &lt;1&gt;" in page
    assert "<script" not in page
    (tmp_path / "responses.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="no report"):
        ResponseReport.load(tmp_path)


def test_the_best_of_a_column_is_bold(report: ResponseReport) -> None:
    behavior, rating = report.to_markdown().strip().split("\n\n")
    assert "| markov | **1.000** [1.000, 1.000] |" in behavior
    assert behavior.splitlines()[0].startswith("| behavior (")
    assert rating.splitlines()[0].endswith("| mae | rmse |")


def test_curves_are_averaged_as_the_table_is() -> None:
    draw = np.random.default_rng(0)
    targets = draw.integers(3, size=600)
    probabilities = draw.dirichlet(np.ones(3), size=600) + 0.4 * np.eye(3)[targets]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    table, curves = metrics.class_metrics(targets, probabilities), metrics.curves(targets, probabilities)
    assert sorted(curves) == ["calibration", "pr_macro", "roc_macro"]
    for name, metric in (("roc_macro", "roc_auc"), ("pr_macro", "pr_auc")):
        x, y = np.array(curves[name]).T
        assert np.trapezoid(y, x) == pytest.approx(table[metric], abs=0.02)
    of_two = metrics.curves(TARGETS, PROBABILITIES)
    assert sorted(of_two) == ["calibration", "pr", "roc"]


def test_bins_of_few_events_are_left_out() -> None:
    confident = np.r_[np.full(100, 0.95), np.full(3, 0.25)]
    targets = np.r_[np.ones(90), np.zeros(10), np.ones(3)].astype(np.int64)
    curve = metrics.curves(targets, np.column_stack([1 - confident, confident]))["calibration"]
    assert curve == [[0.95, 0.9]]


def result(model: str, loss: float) -> ResponseResult:
    interval = Interval(mean=loss, low=loss - 0.1, high=loss + 0.1)
    return ResponseResult(model=model, task="gap", events=10, metrics={"log_loss": interval})


def test_who_is_worse_than_the_prior_is_said() -> None:
    prior, better, worse = result("prior", 1.0), result("gru", 0.5), result("hmm", 1.25)
    assert verdicts([worse, better, prior]) == [
        "gap: gru predicts best, with a log loss of 0.500 [0.400, 0.600], 50 % below the prior's "
        "1.000 [0.900, 1.100] (the intervals do not overlap).",
        "gap: worse than the prior, which looks at nobody: hmm (1.250).",
    ]
    assert verdicts([worse, prior])[0].startswith(
        "gap: nobody predicts better than the prior, whose log loss is 1"
    )
    assert "no prior was judged beside it" in verdicts([better])[0]
    assert skill(1.25, 1.0) == -0.25


def test_every_model_has_its_matrix(report: ResponseReport) -> None:
    page = report.to_html()
    assert page.count('class="matrix"') == 2
    assert "Confusion matrix of markov: rows are what happened" in page
    assert 'style="--share: 1.000"' in page


def test_a_model_that_predicts_nan_is_refused() -> None:
    split = Split.global_time(shop())
    tasks = TaskSet.fit(split.train, ["rating"])

    class Silent:
        def predict_response(self, histories: object, items: Mapping[str, list[str]]) -> pl.DataFrame:
            rows = [(user, item) for user, wanted in items.items() for item in wanted]
            table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
            return table.with_columns(rating=pl.lit(float("nan")))

    with pytest.raises(DataError, match="predicts NaN"):
        judge_responses({"silent": Silent()}, response_queries(split, tasks), tasks)
