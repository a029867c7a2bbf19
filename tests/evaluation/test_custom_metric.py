"""Add a metric: one function and its registration, and it stands in every table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from llmrec import metrics
from llmrec.arrays import Float64s
from llmrec.data import Split, toy_films
from llmrec.errors import DataError
from llmrec.evaluation import EvaluationProtocol, Hits, Report, evaluate, register_metric
from llmrec.models.baselines.popularity import PopularityRecommender


def top_three(hits: Hits) -> Float64s:
    """Whether a right answer is among the first three, however many there are.

    This paragraph is for those who read the code.
    """
    return np.asarray(hits.at[:, :3].any(axis=1), dtype=np.float64)


@pytest.fixture(autouse=True)
def only_here() -> Iterator[None]:
    """Metrics registered in a test are unknown to the next."""
    registered = dict(metrics._METRICS)
    yield
    metrics._METRICS.clear()
    metrics._METRICS.update(registered)


@pytest.fixture
def rules() -> EvaluationProtocol:
    return EvaluationProtocol.load("leave-last-out").model_copy(update={"metrics": ("ndcg", "top_three")})


@pytest.fixture(scope="module")
def split() -> Split:
    return Split.leave_last_out(toy_films())


def report(split: Split, rules: EvaluationProtocol) -> Report:
    models = {str(seed): PopularityRecommender().fit(split.train) for seed in range(2)}
    return evaluate(models, split, protocol=rules)


def test_a_registered_metric_is_a_column_of_every_table(split: Split, rules: EvaluationProtocol) -> None:
    register_metric("top_three", top_three)
    result = report(split, rules)
    row = result.table.row(0, named=True)
    recs = PopularityRecommender().fit(split.train).recommend(split.test.histories, 3)
    expected = recs.join(split.test.answers, on=["user_id", "item_id"], how="semi").height / row["users"]
    assert 0 < row["top_three@10"] < 1
    assert row["top_three@10"] == pytest.approx(expected)
    assert row["top_three@10_low"] < row["top_three@10"] < row["top_three@10_high"]
    assert "top_three@10" in result.comparisons["metric"].to_list()
    assert result.to_markdown().splitlines()[0].startswith("| model | NDCG@10 | top_three@10 |")
    page = result.to_html()
    assert "<dd>Whether a right answer is among the first three, however many there are.</dd>" in page
    assert "for those who read the code" not in page


def test_it_is_computed_beside_the_protocol_s_metrics_too(split: Split) -> None:
    register_metric("top_three", top_three)
    result = report(split, EvaluationProtocol.load("leave-last-out"))
    assert "top_three@10_low" in result.table.columns
    assert "top_three" not in result.to_markdown()


def test_a_report_is_read_where_its_metric_is_not_registered(
    split: Split, rules: EvaluationProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_metric("top_three", top_three)
    result = report(split, rules)
    monkeypatch.delitem(metrics._METRICS, "top_three")
    again = Report.from_dict(result.to_dict())
    assert again == result
    assert "top_three@10" in again.to_html()


def test_an_unknown_metric_is_named(split: Split, rules: EvaluationProtocol) -> None:
    with pytest.raises(DataError, match=r"no metric 'top_three'; there are ndcg, .*precision; add your own with"):
        report(split, rules)


def test_a_name_belongs_to_one_function() -> None:
    register_metric("top_three", top_three)
    register_metric("top_three", top_three)
    with pytest.raises(
        DataError, match=r"'ndcg' is llmrec.metrics.ndcg already; choose another name for .*top_three"
    ):
        register_metric("ndcg", top_three)
    with pytest.raises(DataError, match="metric 'top@3': a name is one word"):
        register_metric("top@3", top_three)


@pytest.mark.parametrize("values", [np.zeros(1), np.zeros((2, 1)), np.array([0.5, np.nan])])
def test_a_metric_returns_one_finite_number_per_user(values: Float64s) -> None:
    register_metric("odd", lambda hits: values)
    recs = pl.DataFrame({"user_id": ["a"], "item_id": ["1"], "rank": [1]})
    with pytest.raises(DataError, match=r"metric 'odd' returned .* for 2 users; it must return one finite number"):
        metrics.per_user(recs, recs.drop("rank"), users=["a", "b"])
