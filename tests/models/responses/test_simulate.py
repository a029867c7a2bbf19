"""Simulated events of a model whose every prediction is certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest

from llmrec import Histories
from llmrec.arrays import Float32s
from llmrec.data import Catalog
from llmrec.data.responses import TaskSet, TaskSpec
from llmrec.errors import DataError
from llmrec.models.responses.simulate import simulate

DAY = 86400
TASKS = TaskSet(
    specs=(
        TaskSpec(name="gap", kind="classes", levels=("short", "long"), values=(60.0, float(DAY))),
        TaskSpec(name="rating", kind="number"),
        TaskSpec(name="behavior", kind="classes", levels=("buy", "view")),
        TaskSpec(name="action", kind="classes", levels=("buy", "view")),
    )
)


class Certain:
    """Items in their order; every event a purchase, rated by its item, a day after the last."""

    def __init__(self, tasks: TaskSet, *, exclude_seen: bool = True) -> None:
        self.catalog = Catalog(pl.DataFrame({"item_id": ["1", "2", "3"], "title": ["One", "Two", "Three"]}))
        self.tasks, self.exclude_seen = tasks, exclude_seen

    def score(self, histories: Histories) -> Float32s:
        """The first item is a thousand logits above the second."""
        return np.tile(np.array([2000, 1000, 0], dtype=np.float32), (len(histories), 1))

    def predict_response(
        self, histories: Histories, items: Sequence[str] | Mapping[str, Sequence[str]]
    ) -> pl.DataFrame:
        """One row, as a model's table has it."""
        (item,) = items
        return pl.DataFrame(
            {
                "user_id": ["a"], "item_id": [item], "rating": [float(item)], "behavior_buy": [1.0],
                "behavior_view": [0.0], "action_buy": [0.0], "action_view": [1.0], "gap": [float(DAY)],
                "gap_short": [0.0], "gap_long": [1.0],
            }
        )  # fmt: skip


def history(**columns: list[object]) -> Histories:
    events = pl.DataFrame({"user_id": ["a"], "item_id": ["1"], **columns})
    return Histories.from_events(events)


def test_the_fields_of_each_event_are_drawn_or_expected() -> None:
    events = simulate(Certain(TASKS), history(timestamp=[5], behavior=["view"]), 2)
    assert events.columns == ["step", "item_id", "behavior", "rating", "gap", "timestamp"]
    assert events["item_id"].to_list() == ["2", "3"]  # the first one was seen
    assert events["behavior"].to_list() == ["buy", "buy"]  # given the item, which action is not
    assert events["rating"].to_list() == [2.0, 3.0]
    assert events["gap"].to_list() == [DAY, DAY]
    assert events["timestamp"].to_list() == [5 + DAY, 5 + 2 * DAY]


def test_a_history_without_times_gets_none() -> None:
    assert simulate(Certain(TASKS), history(), 1).columns == ["step", "item_id", "behavior", "rating", "gap"]


def test_without_tasks_items_alone_are_drawn() -> None:
    events = simulate(Certain(TaskSet(specs=()), exclude_seen=False), history(), 2)
    assert events.to_dict(as_series=False) == {"step": [1, 2], "item_id": ["1", "1"]}


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(DataError, match="no item is left"):
        simulate(Certain(TASKS), history(), 3)
    with pytest.raises(DataError, match="one history by at least one step, got 1 and 0"):
        simulate(Certain(TASKS), history(), 0)
    with pytest.raises(DataError, match="got 2 and 1"):
        simulate(Certain(TASKS), Histories.of([["1"], ["2"]]), 1)
