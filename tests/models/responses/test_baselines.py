"""Baselines of responses on toy data whose best predictions are known."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset, Histories, Split
from llmrec.data.ids import id_hashes
from llmrec.data.responses import TaskSet
from llmrec.errors import DataError, MissingExtra
from llmrec.evaluation.responses.judge import judge_responses, response_queries
from llmrec.models.responses.baselines import HiddenMarkovResponses, MarkovResponses, PriorResponses, ResponseModel
from llmrec.models.responses.ratings import BiasRatings, FactorRatings
from llmrec.models.responses.tabular import BoostedResponses, LogisticResponses

DAY = 86400


def turns(n_users: int = 60, length: int = 10, *, seed: int = 0) -> Dataset:
    """Views and purchases in turn, one a day; ratings are 3, plus one for even items, less one for odd users."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(n_users):
        for position in range(length):
            item = int(draw.integers(10))
            kind = "buy" if (position + user) % 2 else "pv"
            rating = 3.0 + (item % 2 == 0) - (user % 2)
            rows.append((f"u{user}", str(item), DAY * (position + user % 5), kind, rating))
    names = ["user_id", "item_id", "timestamp", "behavior", "rating"]
    items = {"item_id": [str(n) for n in range(10)], "title": [f"Film {n}" for n in range(10)]}
    return Dataset.from_tables(
        pl.DataFrame(rows, schema=names, orient="row"), items=items, name="turns", time_format="seconds"
    )


@pytest.fixture(scope="module")
def split() -> Split:
    return Split.global_time(turns())


@pytest.fixture(scope="module")
def tasks(split: Split) -> TaskSet:
    return TaskSet.fit(split.train, ["behavior", "purchase", "rating", "gap"])


def value(models: dict[str, ResponseModel], split: Split, tasks: TaskSet, task: str, metric: str) -> list[float]:
    report = judge_responses(models, response_queries(split, tasks), tasks, samples=5)
    table = report.table.filter(pl.col("task") == task, pl.col("metric") == metric)
    values = dict(table.select("model", "value").iter_rows())
    return [values[name] for name in models]


def test_the_prior_is_the_training_frequency(split: Split, tasks: TaskSet) -> None:
    table = PriorResponses().fit(split.train, tasks).predict_response(Histories.of({"a": [], "b": ["1"]}), ["2"])
    share = split.train.events["behavior"].eq("buy").sum() + 1
    assert table["behavior_buy"].to_list() == pytest.approx([share / (split.train.events.height + 2)] * 2)
    assert table["rating"][0] == pytest.approx(split.train.events["rating"].mean())


def test_a_markov_chain_predicts_what_follows(split: Split, tasks: TaskSet) -> None:
    prior, markov = (kind().fit(split.train, tasks) for kind in (PriorResponses, MarkovResponses))
    low, high = value({"prior": prior, "markov": markov}, split, tasks, "behavior", "accuracy")
    assert high == 1
    assert low < 0.8
    worst, best = value({"prior": prior, "markov": markov}, split, tasks, "purchase", "log_loss")
    assert best < 0.1 < worst


def test_a_markov_chain_by_hand() -> None:
    """Two users: view, view, buy and view, buy; strength 0 does not smooth the counts."""
    events = {
        "user_id": ["a", "a", "a", "b", "b"],
        "item_id": ["1"] * 5,
        "timestamp": [0, 1, 2, 0, 1],
        "behavior": ["pv", "pv", "buy", "pv", "buy"],
    }
    data = Dataset.from_tables(events, items={"item_id": ["1"], "title": ["One"]}, time_format="seconds")
    model = MarkovResponses()
    model.strength = 0.0
    with np.errstate(invalid="ignore"):
        model.fit(data, TaskSet.fit(data, ["behavior"]))
    table = model.predict_response(data.histories.take([0, 1])[:1], ["1"])
    assert model.chains["behavior"][1].tolist() == pytest.approx([2 / 3, 1 / 3])  # after a view: buy, pv
    assert table.columns == ["user_id", "item_id", "behavior_buy", "behavior_pv"]


def test_a_hidden_markov_model_without_its_extra(
    monkeypatch: pytest.MonkeyPatch, split: Split, tasks: TaskSet
) -> None:
    monkeypatch.setitem(sys.modules, "hmmlearn.hmm", None)
    with pytest.raises(MissingExtra, match=r"hmmlearn is not installed: pip install 'llmrec\[baselines\]'"):
        HiddenMarkovResponses().fit(split.train, tasks)


def test_a_hidden_markov_model_learns_the_turns(split: Split, tasks: TaskSet) -> None:
    pytest.importorskip("hmmlearn")
    model = HiddenMarkovResponses(states=2).fit(split.train, TaskSet(specs=(tasks["behavior"],)))
    assert value({"hmm": model}, split, model.tasks, "behavior", "accuracy")[0] > 0.95
    empty = model.predict_response(Histories(("x",), split.data.events.clear(), np.array([0, 0])), ["1"])
    assert empty.select("behavior_buy", "behavior_pv").sum_horizontal()[0] == pytest.approx(1)


@pytest.mark.parametrize("kind", [LogisticResponses, BoostedResponses])
def test_count_features_hold_the_last_behavior_and_the_item(
    kind: type[ResponseModel], split: Split, tasks: TaskSet
) -> None:
    model, prior = kind().fit(split.train, tasks), PriorResponses().fit(split.train, tasks)
    assert value({"model": model}, split, tasks, "behavior", "accuracy")[0] > 0.95
    rmse, prior_rmse = value({"model": model, "prior": prior}, split, tasks, "rating", "rmse")
    assert rmse < 0.5 * prior_rmse


def test_boosting_stops_by_users_or_by_rows(split: Split, tasks: TaskSet) -> None:
    histories = split.train.histories
    owners = np.repeat(np.arange(len(histories)), histories.lengths())
    for unit in ("users", "rows"):
        model = BoostedResponses(held_out=unit).fit(split.train, tasks)
        held_out = model._held_out(histories)
        whole = [len(set(held_out[owners == owner])) == 1 for owner in range(len(histories))]
        assert all(whole) == (unit == "users")
        assert 0 < held_out.mean() < 0.3
        drawn = id_hashes(histories.user_ids, seed=1) % 10 == 0  # the same in every version of polars
        assert unit == "rows" or np.array_equal(held_out, np.repeat(drawn, histories.lengths()))
        assert value({unit: model}, split, tasks, "behavior", "accuracy")[0] > 0.95
    # Where the held-out users have other classes than the others, nothing stops it early.
    labels = (np.arange(60) % 2).astype(np.float64)
    one_class = model._fitted(np.zeros((60, 1), np.float32), labels, np.arange(60) % 2 == 1, numbers=False)
    assert not one_class.early_stopping


def test_biases_and_factors_beat_the_prior(split: Split, tasks: TaskSet) -> None:
    models = {
        "bias": BiasRatings(shrink_items=1, shrink_users=1).fit(split.train, tasks),
        "factors": FactorRatings(factors=2).fit(split.train, tasks),
        "prior": PriorResponses().fit(split.train, tasks),
    }
    bias, factors, prior = value(models, split, tasks, "rating", "rmse")
    assert bias < 0.15 < prior
    assert factors < 0.5 * prior
    assert "purchase" not in models["bias"].predict_response(split.test.histories[:1], ["1"]).columns


def test_factors_learn_interactions() -> None:
    """Even users like even items, odd users odd ones: no bias holds that."""
    draw = np.random.default_rng(0)
    rows = [
        (f"u{u}", str(i), int(draw.integers(1000)), 5.0 if u % 2 == i % 2 else 1.0)
        for u in range(30)
        for i in range(12)
        if draw.random() < 0.7
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row")
    items = {"item_id": [str(i) for i in range(12)], "title": [f"Film {i}" for i in range(12)]}
    split = Split.leave_last_out(Dataset.from_tables(events, items=items))
    tasks = TaskSet.fit(split.train, ["rating"])
    bias = BiasRatings().fit(split.train, tasks)
    factors = FactorRatings(regularization=1.0).fit(split.train, tasks)
    low, high = value({"factors": factors, "bias": bias}, split, tasks, "rating", "rmse")
    assert low < 1 < high


def test_a_rating_baseline_needs_ratings(split: Split) -> None:
    tasks = TaskSet.fit(split.train, ["behavior"])
    with pytest.raises(DataError, match="add rating"):
        BiasRatings().fit(split.train, tasks)
    with pytest.raises(DataError, match="not been fitted"):
        PriorResponses().predict_response(split.test.histories, ["1"])
