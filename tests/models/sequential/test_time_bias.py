"""Attention that reads the times of a history: what it learns, what it must not read, and logs without times."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support.letters import dataset

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.errors import DataError
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.sequential.event_seconds import UNKNOWN, seconds_of
from llmrec.models.sequential.gap_bias import GAIN, GapBias

HOUR = 3600
START = 1_600_000_000


def recipe(**train: Any) -> Recipe:
    return Recipe.of(
        {
            "model": "esasrec",
            "sequence": {"dim": 32, "layers": 2, "dropout": 0.0, "max_items": 8, "time_bias": True},
            "train": {"epochs": 40, "learning_rate": 3e-3, "batch_tokens": 100, "schedule": "constant", **train},
        }
    )


def pauses(n_users: int = 40, *, gaps: tuple[int, int] = (10, 90 * 24 * HOUR)) -> Dataset:
    """Everybody has a, then b; after a short pause between them c comes next, after a long one d."""
    rows = []
    for user in range(n_users):
        late = user % 2
        times = [START, START + gaps[late], START + gaps[late] + HOUR]
        rows += [(f"u{user}", item, time) for item, time in zip(["a", "b", "cd"[late]], times, strict=True)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset.from_tables(events, name="pauses")


def history(*gaps: float | None) -> Histories:
    """The history a, b with these seconds between the two, for each gap; None: b's time is not known."""
    rows = [(f"q{n}", item, time) for n, gap in enumerate(gaps) for item, time in (("a", 0.0), ("b", gap))]
    return Histories.from_events(
        pl.DataFrame(
            rows, schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Float64}, orient="row"
        )
    )


@pytest.fixture(scope="module")
def model() -> Recommender:
    return from_recipe(recipe()).fit(pauses())


def c_before_d(model: Recommender, histories: Histories) -> list[bool]:
    scores = model.score(histories)
    c, d = model.catalog.codes(["c", "d"])
    return list(scores[:, c] > scores[:, d])


def test_the_pause_decides_what_comes_next(model: Recommender) -> None:
    assert c_before_d(model, history(10, 90 * 24 * HOUR, 12, 80 * 24 * HOUR)) == [True, False, True, False]


def test_without_times_it_answers_all_the_same(model: Recommender) -> None:
    plain = model.score(Histories.of([["a", "b"]]))
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(model.score(history(None, float("nan"))), np.repeat(plain, 2, axis=0), atol=1e-5)


def test_a_saved_run_holds_the_times(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert "timestamp" in again.histories.events.columns
    histories = history(10, 90 * 24 * HOUR, None)
    np.testing.assert_array_equal(again.score(histories), model.score(histories))
    np.testing.assert_array_equal(again.score(again.histories), model.score(model.histories))


def test_a_later_time_changes_no_earlier_state(model: Recommender) -> None:
    network: Any = model.network  # type: ignore[attr-defined]
    inputs = torch.tensor([[0, 1, 2], [0, 1, 2]])
    with torch.inference_mode():
        states = network.states(inputs, torch.tensor([[0, 10, 20], [0, 10, 9_000_000]]))
    torch.testing.assert_close(states[0, :3], states[1, :3])
    assert not torch.allclose(states[0, 3], states[1, 3])


def test_the_time_of_the_answer_is_not_read() -> None:
    """Nothing but the answer's time tells c from d here: the loss must stay that of a coin."""
    rows = []
    for user in range(40):
        late = user % 2
        times = [START, START + 10, START + 20 + late * 90 * 24 * HOUR]
        rows += [(f"u{user}", item, time) for item, time in zip(["a", "b", "cd"[late]], times, strict=True)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    fitted = from_recipe(recipe()).fit(Dataset.from_tables(events, name="answers"))
    assert fitted.train_log[-1]["loss"] > np.log(2) / 3 - 0.01  # of the three targets a and b are certain


def test_a_resumed_training_is_the_same_to_the_bit(tmp_path: Path) -> None:
    data = pauses(12)
    from_recipe(recipe(epochs=2)).fit(data, work_dir=tmp_path)
    resumed = from_recipe(recipe(epochs=4)).fit(data, work_dir=tmp_path)
    whole = from_recipe(recipe(epochs=4)).fit(data)
    np.testing.assert_array_equal(resumed.score(history(10, HOUR)), whole.score(history(10, HOUR)))


def test_a_log_that_only_has_an_order_is_refused() -> None:
    data = dataset(["ab", "a"], order_only=True)
    with pytest.raises(DataError, match=r"data only has an order, no times, .*sequence.time_bias"):
        from_recipe(recipe()).fit(data)
    plain = recipe(epochs=1).with_values({"sequence.time_bias": False})
    assert from_recipe(plain).fit(data).is_fitted


def test_all_events_at_one_moment() -> None:
    events = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": list("abab"), "timestamp": [START] * 4})
    fitted = from_recipe(recipe(epochs=1)).fit(Dataset.from_tables(events, name="one second"))
    assert np.isfinite(fitted.score(history(0, 5))).all()


def test_validation_reads_times_too() -> None:
    split = Split.leave_last_out(pauses())
    fitted = from_recipe(recipe(epochs=2)).fit(split.train, valid=split.valid)
    assert all("valid_ndcg@10" in row for row in fitted.train_log)


def test_gaps_fall_in_buckets_by_their_power_of_two() -> None:
    bias = GapBias(2, 5)
    with torch.no_grad():
        bias.of_gap.weight[1:] = torch.arange(32)[:, None] * torch.tensor([1.0, -1.0])
    seconds = torch.tensor([[0, 0, 1, 3, 2**31 - 1], [5, -1, 6, -1, -1]])
    bias_of = bias(seconds) / GAIN
    assert bias_of.shape == (2, 2, 6, 6)
    assert bias_of[0, 0, 5].tolist() == [31, 31, 31, 31, 31, 0]
    assert bias_of[0, 0, 4].tolist()[:5] == [2, 2, 2, 2, 0]
    assert bias_of[0, 1, 3].tolist()[:4] == [-1, -1, -1, 0]
    assert bias_of[1, 0, 3].tolist()[:4] == [1, 1, 0, 0]  # the second event has no time
    assert bias_of[1, 0, 2].tolist() == [0] * 6


def test_distances_count_events() -> None:
    bias = GapBias(1, 4)
    with torch.no_grad():
        bias.of_distance.weight[:, 0] = torch.arange(5)
    assert (bias(torch.full((1, 4), -1)) / GAIN)[0, 0, 4].tolist() == [4, 3, 2, 1, 0]


def test_seconds_count_from_each_user_s_first_time() -> None:
    first = datetime(2020, 1, 1)
    times = [first, first + timedelta(seconds=90), first + timedelta(days=365 * 100), first]
    events = pl.DataFrame({"user_id": list("uuuv"), "item_id": list("abca"), "timestamp": times})
    assert seconds_of(Histories.from_events(events)).tolist() == [0, 90, 2**31 - 1, 0]
    zoned = events.with_columns(pl.col("timestamp").dt.replace_time_zone("Asia/Tokyo"))
    assert seconds_of(Histories.from_events(zoned)).tolist() == [0, 90, 2**31 - 1, 0]
    days = events.with_columns(pl.col("timestamp").dt.date())
    assert seconds_of(Histories.from_events(days)).tolist() == [0, 0, 2**31 - 1, 0]
    numbers = events.with_columns(timestamp=pl.Series([5.0, 6.75, None, float("nan")]))
    assert seconds_of(Histories.from_events(numbers)).tolist() == [0, 1, UNKNOWN, UNKNOWN]
    assert seconds_of(Histories.of([["a"], []])).tolist() == [UNKNOWN]
    with pytest.raises(DataError, match="timestamp is String, neither seconds nor dates"):
        seconds_of(Histories.from_events(events.with_columns(timestamp=pl.lit("noon"))))
