"""A report of three models, made by hand, for the tests of what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from llmrec.evaluation import EvaluationProtocol, Report
from llmrec.evaluation.report import plots
from llmrec.evaluation.results import Comparison, Cost, EvaluationContext, PromptExample, Result
from llmrec.evaluation.significance import Interval


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - 0.01, high=mean + 0.01)


def result(name: str, mean: float, **more: Any) -> Result:
    metrics = {column: interval(mean) for column in ("ndcg@10", "recall@10", "mrr@10")}
    return Result(model=name, kind=name, users=943, items=1682, metrics=metrics, **more)


def comparison(against: str, *, mine: float, theirs: float, p: float) -> Comparison:
    return Comparison(
        metric="ndcg@10",
        model="llm",
        against=against,
        difference=interval(mine - theirs),
        ratio=mine / theirs,
        p_value=p,
        intervals_overlap=interval(mine).overlaps(interval(theirs)),
    )


CONTEXT = EvaluationContext(
    data="films",
    fingerprint="ab" * 32,
    people=943,
    items=1682,
    events=98_000,
    split="leave-last-out",
    split_hash="cd" * 32,
    fold="test",
    users=943,
    answers=943,
    single_answer=True,
    exclude_seen=True,
    protocol=EvaluationProtocol.load("leave-last-out"),
)
LOG = tuple({"step": n, "epoch": n / 4, "loss": 5 / n} for n in range(1, 9))
VALID = ({"step": 4, "epoch": 1.0, "valid_ndcg@10": 0.06}, {"step": 8, "epoch": 2.0, "valid_ndcg@10": 0.08})


def build(*, name: str = "llm", prompt: str = "A, B, C") -> Report:
    cost = Cost(train_seconds=431.0, tokens_per_second=812.4, peak_memory_gib=5.25, device="cpu")
    example = PromptExample(text=prompt, tokens=1234, encoding="text")
    return Report(
        results=(
            result(name, 0.083, cost=cost, prompt=example, learning=LOG + VALID),
            result("gru", 0.098, cost=Cost(latency_p50_ms=1.24, latency_p95_ms=2.5)),
            result("popularity", 0.045, cost=Cost()),
        ),
        compared=(
            comparison("gru", mine=0.083, theirs=0.098, p=0.3),
            comparison("popularity", mine=0.083, theirs=0.045, p=0.0002),
        ),
        context=CONTEXT,
        versions={"llmrec": "0.1.0"},
        machine={"cpus": 2},
    )


def card(title: str, **more: Any) -> dict[str, Any]:
    evidence = [{"title": title, "contribution": 0.4}, {"title": "other", "contribution": -0.1}]
    recommendation = {
        "rank": 1,
        "title": title,
        "meta": {"genre": "Drama", "year": 1994},
        "reason": f"Because of {title}",
        "evidence": evidence,
        "backend": "template",
    }
    history = [{"title": title, "meta": "1994"}, *(f"past {n}" for n in range(14))]
    return {
        "user_id": "7",
        "history": history,
        "recommendations": [recommendation],
        "answer": title,
        "answer_rank": 1,
    } | more


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out where a test is about the rest."""
    monkeypatch.setattr(plots, "metric_bars", lambda results, columns: "")
    for name in ("learning_curves", "by_history"):
        monkeypatch.setattr(plots, name, lambda results: None)
    monkeypatch.setattr(plots, "against_cost", lambda results, column: None)
