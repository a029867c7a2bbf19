"""An open-ended training goes on until nothing improves, keeps averaged weights, and resumes to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from llmrec import Recipe, Split
from llmrec.config import TrainConfig
from llmrec.models import from_recipe
from llmrec.training.batching import Batch
from llmrec.training.plan import Learned, Plan
from llmrec.training.schedule import LONGER, STEPS_BETWEEN, most_steps, patience_is_over, validation_is_due
from llmrec.training.weight_average import WeightAverage

OPEN = TrainConfig(schedule="open_ended", patience=2)


def test_it_ends_where_nothing_improves_and_not_before(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    recipe = gru_with(schedule="open_ended", epochs=5000, patience=2, learning_rate=1e-2)
    model = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    steps = [row["step"] for row in model.train_log]
    best = max(model.train_log, key=lambda row: row["valid_ndcg@10"])
    assert all(b - a >= STEPS_BETWEEN for a, b in zip([0, *steps], steps, strict=False))
    assert model.train_log[-1]["epoch"] < 5000
    assert steps[-1] - best["step"] >= LONGER * best["step"]
    assert best["valid_ndcg@10"] > 0.9  # the toy films have a rule


def test_epochs_bound_it(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    model = from_recipe(gru_with(schedule="open_ended", epochs=3)).fit(toy_split.train, valid=toy_split.valid)
    assert [row["epoch"] for row in model.train_log] == [3]


def test_without_validation_it_is_trained_to_its_bound(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    model = from_recipe(gru_with(schedule="open_ended", epochs=3)).fit(toy_split.train)
    assert model.train_log[-1]["epoch"] == 3


@pytest.mark.parametrize(
    ("step", "over"), [(1900, False), (2000, True)]
)  # the best at 1,000: two validations later, and 40 % longer
def test_patience_grows_with_the_training(step: int, over: bool) -> None:
    best = {"step": 1000}
    assert patience_is_over(OPEN, [best, {"step": 1100}, {"step": step}], best) == over
    assert patience_is_over(TrainConfig(patience=2), [best, {"step": 1001}, {"step": 1002}], best)


def test_a_training_that_goes_on_has_a_part_of_the_earlier_one_s_patience() -> None:
    """Its first validation is often its best, by chance: a fifth of the steps before it is waited for another."""
    best = {"step": 50}
    log = [best, {"step": 100}, {"step": 299}]
    assert patience_is_over(OPEN, log, best)
    assert not patience_is_over(OPEN, log, best, earlier_steps=1000)
    assert patience_is_over(OPEN, [*log, {"step": 300}], best, earlier_steps=1000)


def test_a_training_that_goes_on_has_as_many_epochs_as_the_earlier_one() -> None:
    """A tenth of the targets is new, and four old ones stand beside each: five ninths of the steps."""
    learned = Learned(np.array([91, 1, 0]), 4.0)
    relative = learned.relative_epoch(np.array([101, 1, 0]))
    assert relative == pytest.approx(50 / 90)

    def most(plan: Plan, settings: TrainConfig = OPEN, steps: int = 900) -> int | None:
        return most_steps(settings, plan, steps)

    def cut(_: int) -> list[Batch]:
        return []

    assert most(Plan(9, cut, relative_epoch=relative)) == 500
    assert most(Plan(9, cut, relative_epoch=0.01)) == 180
    assert Learned(np.array([11]), 4.0).relative_epoch(np.array([101])) == 10.0  # all of it: 100 targets
    assert most(Plan(9, cut)) is None
    assert most(Plan(9, cut, relative_epoch=relative), steps=0) is None
    assert most(Plan(9, cut, relative_epoch=relative), TrainConfig()) is None


def test_validations_are_apart() -> None:
    assert not validation_is_due(OPEN, [{"step": 100}], 100 + STEPS_BETWEEN - 1)
    assert validation_is_due(OPEN, [{"step": 100}], 100 + STEPS_BETWEEN)
    assert validation_is_due(TrainConfig(), [{"step": 100}], 101)


def test_the_average_is_as_old_as_its_share_says() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, share=0.1)
    for step in range(1, 2001):
        with torch.no_grad():
            network.weight.fill_(float(step))
        average.update(step)
    assert 2000 - float(average.values["weight"]) == pytest.approx(0.1 * 2000, rel=0.02)
    with average.applied():
        assert float(network.weight.detach()) == pytest.approx(1800, rel=0.01)
    assert float(network.weight.detach()) == 2000


def test_a_lazy_plan_is_the_whole_one() -> None:
    cuts: list[int] = []

    def cut(epoch: int) -> list[Batch]:
        cuts.append(epoch)
        return [Batch(epoch, np.array([[n, 0, 1]])) for n in range(2 + epoch % 2)]

    plan = Plan(1000, cut)
    assert [plan[n].epoch for n in range(6)] == [0, 0, 1, 1, 1, 2]
    assert max(cuts) == 2  # what is not reached is not cut
    assert plan.ends_within(0, 2)
    assert not plan.ends_within(2, 4)
    assert plan.at_most() >= 2500
    assert len(plan) == 2500
    assert plan.ends_before(2500)
    assert not plan.ends_before(2499)
    assert len(list(plan)) == 2500


def test_a_resumed_one_ends_the_same(
    toy_split: Split, gru_with: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = gru_with(schedule="open_ended", epochs=90, patience=2, learning_rate=1e-2)
    whole = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    shorter = recipe.with_values({"train.epochs": 60})
    from_recipe(shorter).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    resumed = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert resumed.train_log[-1]["step"] == whole.train_log[-1]["step"]
    np.testing.assert_array_equal(resumed.score(toy_split.test.histories), whole.score(toy_split.test.histories))


@pytest.mark.parametrize("validated", [True, False])
def test_one_that_reached_its_bound_and_was_not_saved_is_not_trained_on(
    toy_split: Split, gru_with: Callable[..., Recipe], tmp_path: Path, validated: bool
) -> None:
    recipe = gru_with(schedule="open_ended", epochs=3, accumulation=2)
    valid = toy_split.valid if validated else None
    whole = from_recipe(recipe).fit(toy_split.train, valid=valid, work_dir=tmp_path)
    again = from_recipe(recipe).fit(toy_split.train, valid=valid, work_dir=tmp_path)
    assert again.train_log == whole.train_log
    np.testing.assert_array_equal(again.score(toy_split.test.histories), whole.score(toy_split.test.histories))
