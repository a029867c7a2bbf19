"""What a training takes is said before its first step, and changes nothing of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llmrec import Recipe, Split
from llmrec.config import TrainConfig
from llmrec.models import from_recipe
from llmrec.models.base import Recommender
from llmrec.training import forecast
from llmrec.training.batching import Batch
from llmrec.training.forecast import Forecast, worded
from llmrec.training.job import TrainingJob

MakeRecipe = Callable[..., Recipe]
GIB = 2**30


def fitted(recipe: Recipe, split: Split, *, progress: bool) -> Recommender:
    return from_recipe(recipe).fit(split.train, valid=split.valid, progress=progress)


def test_it_is_said_first_and_training_is_as_without(
    gru_with: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = gru_with(epochs=2)
    plain = fitted(recipe, toy_split, progress=True)
    assert "training takes" not in capsys.readouterr().err, "toy films are trained on in seconds"
    monkeypatch.setattr(forecast, "LEAST_OPERATIONS", 0.0)
    model = fitted(recipe, toy_split, progress=True)
    first, second = capsys.readouterr().err.splitlines()[:2]
    said = r"quick: training takes about \d s for 2 epochs, without validation, and 0 MiB of memory"
    assert re.match(said, first)
    assert second.startswith("quick: epoch 1")
    np.testing.assert_array_equal(model.score(toy_split.test.histories), plain.score(toy_split.test.histories))
    fitted(recipe, toy_split, progress=False)
    assert capsys.readouterr().err == ""


def test_buffers_that_passes_change_are_put_back(
    tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ("head.item_encoder=finetuned", "head.refresh_every=2", "head.item_dropout=0.3", "train.epochs=1")
    recipe = tiny_recipe("soft", *changes, "train.batch_tokens=200")
    plain = fitted(recipe, toy_split, progress=True)
    monkeypatch.setattr(forecast, "LEAST_OPERATIONS", 0.0)
    model = fitted(recipe, toy_split, progress=True)
    assert [row["loss"] for row in model.train_log] == [row["loss"] for row in plain.train_log]


@pytest.mark.parametrize("fixed", [0.0, 0.05])
def test_time_is_a_fixed_one_for_each_batch_and_one_for_each_position(
    gru_with: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch, fixed: float
) -> None:
    """By a clock of its own: what else the machine does is no matter."""
    plain, expected, seen, of_position = forecast._pass, dict[int, float](), list[Forecast](), 0.001

    def seconds(batch: Batch) -> float:
        return fixed + of_position * forecast._positions(batch)

    def timed(network: Any, job: TrainingJob, batch: Batch) -> tuple[float, int]:
        expected[len(seen)] = sum(map(seconds, job.plan.epoch(0)))
        return seconds(batch), plain(network, job, batch)[1]

    def noted(one: Forecast, settings: TrainConfig) -> list[str]:
        seen.append(one)
        return []

    monkeypatch.setattr(forecast, "LEAST_OPERATIONS", 0.0)
    monkeypatch.setattr(forecast, "STEP_SECONDS", {})
    monkeypatch.setattr(forecast, "_pass", timed)
    monkeypatch.setattr(forecast, "worded", noted)
    for tokens in (60, 600):
        model = fitted(gru_with(epochs=1, batch_tokens=tokens), toy_split, progress=True)
    assert [one.epoch_seconds for one in seen] == pytest.approx([expected[0], expected[1]])
    assert expected[0] > expected[1] or fixed == 0
    n_bytes = 4 * sum(value.numel() for value in model.network.parameters())  # type: ignore[attr-defined]
    assert 3 * n_bytes < seen[0].needed < seen[1].needed


def test_other_work_for_an_instant_is_not_taken_for_the_training(
    gru_with: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, calls = forecast._pass, [0]

    def interrupted(*args: Any) -> tuple[float, int]:
        seconds, held = plain(*args)
        calls[0] += 1
        return seconds + (60.0 * (calls[0] % 2 == 0) if calls[0] > 1 else 0.0), held

    monkeypatch.setattr(forecast, "LEAST_OPERATIONS", 0.0)
    monkeypatch.setattr(forecast, "REPEAT_SECONDS", 100.0)
    monkeypatch.setattr(forecast, "_pass", interrupted)
    fitted(gru_with(epochs=2), toy_split, progress=True)
    assert re.search(r"quick: training takes about \d s", capsys.readouterr().err)


SAID = {
    "training takes about 30 s for 3 epochs": Forecast(10.0, 0, GIB),
    "training takes about 25 min for 3 epochs, without validation, and 2.0 GiB": Forecast(500.0, 2 * GIB, 3 * GIB),
    "3.0 hours for 3 epochs": Forecast(3600.0, GIB, 3 * GIB),
    "3.0 hours or so: train.max_minutes bounds that, Ctrl-C stops, --resume goes on": Forecast(
        3600.0, GIB, 3 * GIB
    ),
    "only 1.0 GiB of memory are free: halve train.batch_tokens": Forecast(10.0, 2 * GIB, GIB),
}


@pytest.mark.parametrize("line", SAID)
def test_hours_and_memory_are_said_with_the_way_out(line: str) -> None:
    lines = list(worded(SAID[line], TrainConfig(epochs=3)))
    assert any(line in one for one in lines)
    assert len(lines) == 1 + (SAID[line].epoch_seconds > 3000) + (SAID[line].needed > SAID[line].free)


def test_minutes_that_do_not_last_for_an_epoch() -> None:
    one, short = Forecast(1800.0, 0, GIB), TrainConfig(epochs=20, max_minutes=5)
    message = "train.max_minutes=5 ends it within the first epoch, which takes about 30 min"
    assert list(worded(one, short))[1:] == [message]
    assert len(list(worded(one, TrainConfig(epochs=20, max_minutes=45)))) == 1
    many = list(worded(one, TrainConfig(epochs=300, schedule="open_ended")))
    assert many[0].startswith(
        "an epoch of training takes about 30 min, without validation, and 0 MiB of memory; it "
    )
    assert many[1].startswith("15.0 hours or so"), "the bound of 300 epochs is hardly ever reached"
