"""Tasks: targets by hand, and a table from which the predictions are read back."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset
from llmrec.config import ResponsesConfig
from llmrec.data.responses import TASKS, TaskSet
from llmrec.errors import DataError

DAY = 86400
NAMES = ["behavior", "action", "purchase", "rating", "gap", "value"]


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Two baskets of one user: a view and a purchase, three days later two purchases."""
    events = {
        "user_id": ["a"] * 4,
        "item_id": ["1", "2", "1", "2"],
        "timestamp": [0, 0, 3 * DAY, 3 * DAY],
        "behavior": ["view", "buy", "buy", "buy"],
        "rating": [None, 4.0, 2.0, 4.0],
        "price": [9.0, 2.0, 1.0, 3.0],
        "quantity": [1.0, 2.0, 1.0, 1.0],
    }
    return Dataset.from_tables(
        events, items={"item_id": ["1", "2"], "title": ["One", "Two"]}, time_format="seconds"
    )


def test_targets_by_hand(data: Dataset) -> None:
    targets = TaskSet.fit(data, NAMES).targets(data.histories)
    assert targets.n_visible.tolist() == [0, 0, 2, 2]
    values = {name: np.nan_to_num(targets.values[name], nan=-1).tolist() for name in NAMES}
    assert values["behavior"] == values["action"] == [1, 0, 0, 0]  # of buy, view
    assert values["purchase"] == [0, 1, 1, 1]
    assert values["rating"] == [-1, 4, 2, 4]
    assert values["gap"] == [-1, -1, 5, 5]  # from three days to under a week
    assert values["value"] == pytest.approx([np.log1p(4)] * 2 + [np.log1p(4)] * 2)  # the view is not paid for


def test_a_fit_holds_the_prior_and_the_range(data: Dataset) -> None:
    tasks = TaskSet.fit(data, NAMES)
    assert tasks["behavior"].levels == ("buy", "view")
    assert tasks["behavior"].prior == pytest.approx((4 / 6, 2 / 6))  # one event added to each class
    assert tasks["purchase"].prior == pytest.approx((2 / 6, 4 / 6))
    rating = tasks["rating"]
    assert (rating.kind, rating.levels, rating.values) == ("number", ("2", "4"), (2.0, 4.0))
    assert (rating.low, rating.high, rating.mean) == pytest.approx((2, 4, 10 / 3))
    assert rating.prior == pytest.approx((1 / 3, 2 / 3))
    assert rating.level_indices(np.array([2.0, 3.9, np.nan])).tolist() == [0, 1, -1]
    assert tasks["gap"].level_indices(np.array([5.0, np.nan])).tolist() == [5, -1]


@pytest.mark.parametrize("scale", ["regression", "ordinal"])
@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_read_back_from_the_table(name: str, scale: str, data: Dataset) -> None:
    spec = TaskSet.fit(data, [name], ResponsesConfig.model_validate({"rating": scale}))[name]
    draw = np.random.default_rng(0)
    predictions = draw.random(5) if spec.kind == "number" else draw.dirichlet(np.ones(len(spec.levels)), 5)
    columns = spec.task.to_table(spec, predictions)
    again = spec.task.from_table(spec, pl.DataFrame(columns))
    assert again is not None
    np.testing.assert_allclose(again, predictions)
    assert spec.task.from_table(spec, pl.DataFrame({"other": [1.0] * 5})) is None
    assert all(column.split("_")[0] == name for column in columns)


def test_every_task_says_what_it_is() -> None:
    assert set(NAMES) <= set(TASKS)
    assert all(task.name == name and task.meaning.endswith(".") and task.columns for name, task in TASKS.items())


def test_a_log_without_behaviors_or_times_is_refused(data: Dataset) -> None:
    bare = data.with_events(data.events.drop("behavior"))
    with pytest.raises(DataError, match="no column 'behavior', which purchase needs"):
        TaskSet.fit(bare, ["value", "purchase"])
    assert TaskSet.fit(bare, ["value"]).targets(bare.histories).values["value"][0] == pytest.approx(np.log1p(13))
