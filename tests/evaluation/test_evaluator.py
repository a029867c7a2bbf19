"""The evaluator on films in cyclic order, where the right answer is known: whoever saw u, u+1, u+2 sees u+3."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.splits import planted

from llmrec.arrays import Float32s
from llmrec.data import Catalog, Dataset, Histories, Sequences, Split
from llmrec.errors import DataError
from llmrec.evaluation import EvaluationProtocol, Report, evaluate
from llmrec.models.base import Recommender
from llmrec.models.baselines.popularity import PopularityRecommender

SIZE = 30


class NextFilm(Recommender):
    """Knows the rule: one step on from the last item. Keeps a log, a cost and a prompt as the LLM does."""

    kind = "oracle"

    def _fit(self, data: Dataset, **_: Any) -> None:
        self.metadata["cost"] = {"train_seconds": 61.0, "tokens_per_second": 120.5, "device": "cpu", "more": 1}
        self.train_log = [
            {"step": 1, "epoch": 0.5, "loss": 2.0, "tokens_per_second": 90.0},
            {"step": 2, "epoch": 1.0, "loss": float("nan"), "valid_ndcg@10": 0.9},
        ]

    def _score(self, sequences: Sequences) -> Float32s:
        last = np.array([sequences[n][-1] if len(sequences[n]) else 0 for n in range(len(sequences))])
        steps = (np.arange(len(self.catalog)) - last[:, None] - 1) % len(self.catalog)
        scores: Float32s = (-steps).astype(np.float32)
        return scores

    def prompt_example(self, histories: Histories) -> dict[str, object]:
        return {"text": " -> ".join(histories.items(0)), "tokens": 12, "encoding": "text"}

    def _save(self, folder: Any) -> None: ...

    def _load(self, folder: Any) -> None: ...


class Silent(PopularityRecommender):
    """Has no suggestion for anybody."""

    kind = "silent"

    def recommend(self, histories: Histories, k: int = 10, **_: Any) -> pl.DataFrame:
        return super().recommend(histories, k).clear()


@pytest.fixture(scope="module")
def toy_data() -> Dataset:
    items = pl.DataFrame({"item_id": [f"f{n}" for n in range(SIZE)], "title": [f"Film {n}" for n in range(SIZE)]})
    events = [(f"u{u}", f"f{(u + step) % SIZE}", step) for u in range(SIZE) for step in range(6)]
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    return Dataset(pl.DataFrame(events, schema=schema, orient="row"), Catalog(items), name="toy")


@pytest.fixture(scope="module")
def split(toy_data: Dataset) -> Split:
    return Split.leave_last_out(toy_data)


@pytest.fixture(scope="module")
def report(split: Split) -> Report:
    models = {kind.kind: kind().fit(split.train) for kind in (NextFilm, PopularityRecommender, Silent)}
    return evaluate(models, split, date=datetime.date(2026, 1, 2))


def test_the_oracle_is_always_right(report: Report) -> None:
    best = report.table.row(0, named=True)
    assert best["model"] == best["kind"] == "oracle"
    assert (best["ndcg@10"], best["recall@10"], best["mrr@10"], best["users"]) == (1.0, 1.0, 1.0, SIZE)
    assert best["ndcg@10_low"] == best["ndcg@10_high"] == 1.0


def test_a_model_that_recommends_nothing_gets_zero(report: Report) -> None:
    silent = report.table.row(2, named=True)
    assert [silent[column] for column in ("ndcg@10", "recall@10", "mrr@10", "ndcg@10_high")] == [0.0] * 4
    against = report.comparisons.filter(pl.col("against") == "silent").row(0, named=True)
    assert against["ratio"] is None
    assert "Beside silent's 0.000 [0.000, 0.000]: higher" in report.verdicts[-2]


def test_costs_are_the_models_own_or_unknown(report: Report) -> None:
    table = report.table
    assert table["train_seconds"][0] == 61.0  # what the model itself told
    assert (table["train_seconds"] >= 0).all()
    assert table["device"].to_list() == ["cpu"] * 3
    assert (table["peak_memory_gib"] > 0).all()
    assert table["tokens_per_second"].to_list() == [120.5, None, None]
    assert (table["latency_p50_ms"] > 0).all()
    assert (table["latency_p95_ms"] >= table["latency_p50_ms"]).all()
    assert (table["recommend_seconds"] > 0).all()


def test_first_model_is_compared_with_each_other(report: Report) -> None:
    compared = report.comparisons
    assert compared["model"].unique().to_list() == ["oracle"]
    assert compared["against"].to_list() == ["popularity"] * 3 + ["silent"] * 3
    row = compared.row(0, named=True)
    assert row["metric"] == "ndcg@10"
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert row["p_value"] < 0.001
    assert not row["intervals_overlap"]


def test_provenance_names_data_split_protocol_and_day(report: Report, split: Split) -> None:
    asked = report.context
    assert (asked.data, asked.fingerprint) == ("toy", split.train.fingerprint)
    assert (asked.split, asked.split_hash, asked.fold) == ("leave-last-out", split.hash, "test")
    assert asked.date == "2026-01-02"
    assert asked.single_answer
    assert asked.protocol == EvaluationProtocol.load("leave-last-out")
    assert "polars" in report.versions
    assert "cpus" in report.machine
    assert report.notes == ()


def test_learning_and_prompt_come_from_the_model(report: Report) -> None:
    oracle, popularity, _ = report.results
    assert [row["loss"] for row in oracle.learning] == [2.0, None]
    assert oracle.prompt is not None
    assert oracle.prompt.text == "f15 -> f16 -> f17 -> f18 -> f19"
    assert popularity.prompt is None
    assert popularity.learning == ()


def test_the_same_evaluation_finds_the_same_numbers(report: Report, split: Split) -> None:
    models = {kind.kind: kind().fit(split.train) for kind in (NextFilm, PopularityRecommender, Silent)}
    again = evaluate(models, split, progress=True)
    assert [one.metrics for one in again.results] == [one.metrics for one in report.results]
    assert again.compared == report.compared
    assert again.context.date is None


def test_valid_fold_asks_for_the_event_before_the_last(split: Split) -> None:
    report = evaluate({"oracle": NextFilm().fit(split.train)}, split, fold="valid")
    assert report.context.fold == "valid"
    assert report.table["ndcg@10"].to_list() == [1.0]
    assert report.comparisons.is_empty()


def test_seen_items_are_left_out_for_every_model_the_same_way(split: Split) -> None:
    model = PopularityRecommender().fit(split.train)
    model.exclude_seen = False  # a model cannot choose its own question
    report = evaluate({"popularity": model}, split)
    assert report.context.exclude_seen
    fair = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split)
    assert report.results[0].metrics == fair.results[0].metrics


def test_a_model_trained_on_the_answers_is_pointed_out(toy_data: Dataset, split: Split) -> None:
    report = evaluate({"peeker": PopularityRecommender().fit(toy_data)}, split)
    assert "peeker was not trained on this split's training data" in report.notes[0]
    assert "it may have seen the answers" in report.notes[0]


def test_another_catalog_is_pointed_out(toy_data: Dataset, split: Split) -> None:
    model = PopularityRecommender().fit(split.train)
    fewer = replace(toy_data, catalog=Catalog(toy_data.catalog.table.head(SIZE - 5)))
    model.catalog, model._counts = fewer.catalog, model._counts[: SIZE - 5]
    report = evaluate({"small": model}, split)
    assert "small ranks 25 items, the data has 30" in report.notes[0]


def test_lists_as_long_as_the_catalog_are_pointed_out(split: Split) -> None:
    rules = EvaluationProtocol.load("leave-last-out").model_copy(update={"k": SIZE})
    report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split, protocol=rules)
    assert f"The lists have {SIZE} ranks and {SIZE} items are ranked" in report.notes[0]
    assert f"recall@{SIZE} says nothing" in report.notes[0]


def test_one_user_has_no_interval() -> None:
    times = range(1_600_000_000, 1_600_000_015)
    events = {"user_id": ["u"] * 15, "item_id": [str(n) for n in range(15)], "timestamp": times}
    split = Split.leave_last_out(Dataset.from_tables(events))
    report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split)
    assert "One user is asked: there is no interval, and nothing is known about other users." in report.notes
    assert "(one user, so no interval)" in report.verdicts[0]
    assert "[" not in report.to_markdown().split("popularity")[1].split("\n")[0]


def test_refuses_what_cannot_be_judged(split: Split) -> None:
    model = PopularityRecommender().fit(split.train)
    with pytest.raises(DataError, match="no models to evaluate"):
        evaluate({}, split)
    with pytest.raises(DataError, match="judges 'leave-last-out' splits, this one is 'global-time'"):
        evaluate({"popularity": model}, replace(split, name="global-time"), protocol="leave-last-out")
    with pytest.raises(
        DataError, match=r"no protocol is made for 'by hand' splits; there are .*EvaluationProtocol\("
    ):
        evaluate({"popularity": model}, replace(split, name="by hand"))
    nobody = replace(split.test, histories=split.test.histories[:0])
    with pytest.raises(DataError, match="the test fold holds no users"):
        evaluate({"popularity": model}, planted(split, test=nobody))
