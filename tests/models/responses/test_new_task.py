"""A task that another package defines: one class, and a model trains, predicts, saves and is evaluated with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split, load
from llmrec.arrays import Float64s
from llmrec.data.responses import TASKS, EventLog, NumberTask, TaskSet, TaskSpec, register_task
from llmrec.errors import DataError, RecipeError
from llmrec.evaluation import judge_responses, response_queries
from llmrec.evaluation.responses.judge import ResponsePredictor
from llmrec.models import from_recipe
from llmrec.models.responses.baselines import PriorResponses
from llmrec.models.responses.recommender import RespondingRecommender


class DwellTask(NumberTask):
    """How long an item was looked at."""

    name = "dwell"
    meaning = "How many seconds the item was looked at."
    columns = ("seconds",)

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """Read the column."""
        return log.numbers("seconds")


@pytest.fixture
def dwell() -> Iterator[None]:
    """The task, registered for one test."""
    register_task(DwellTask)
    yield
    del TASKS["dwell"]


def visits(n_users: int = 60, length: int = 8) -> Dataset:
    """Even items are looked at for a minute, odd ones for ten seconds; some times are unknown."""
    draw, rows = np.random.default_rng(0), []
    for user in range(n_users):
        for step in range(length):
            item = int(draw.integers(8))
            seconds = None if draw.random() < 0.1 else 10.0 if item % 2 else 60.0
            rows.append((f"u{user}", str(item), 3600 * (step + user % 5), seconds))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "seconds"], orient="row")
    items = {"item_id": [str(n) for n in range(8)], "title": [f"Film {n}" for n in range(8)]}
    return Dataset.from_tables(events, items=items, name="visits", time_format="seconds")


def recipe() -> Recipe:
    return Recipe.of(
        {
            "name": "dwell", "model": "gru-events", "tasks": ["dwell"], "responses": {"weight": 1.0},
            "sequence": {"dim": 16},
            "train": {"epochs": 8, "learning_rate": 0.03, "batch_tokens": 100, "patience": 8},
        }
    )  # fmt: skip


@pytest.mark.usefixtures("dwell")
def test_a_new_task_is_trained_predicted_saved_and_evaluated(tmp_path: Path) -> None:
    split = Split.global_time(visits())
    model = from_recipe(recipe()).fit(split.train, valid=split.valid)
    assert isinstance(model, RespondingRecommender)
    assert model.tasks["dwell"].low == 10
    table = model.predict_response(split.test.histories[:3], ["2", "3"])
    assert table.columns == ["user_id", "item_id", "dwell"]
    means = dict(table.group_by("item_id").agg(pl.col("dwell").mean()).iter_rows())
    assert means["2"] > 45 > 25 > means["3"]
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert isinstance(again, RespondingRecommender)
    assert again.predict_response(split.test.histories[:3], ["2", "3"]).equals(table)
    models: dict[str, ResponsePredictor] = {"gru": model, "prior": PriorResponses().fit(split.train, model.tasks)}
    report = judge_responses(models, response_queries(split, model.tasks), model.tasks, samples=5)
    errors = dict(report.table.filter(task="dwell", metric="mae").select("model", "value").iter_rows())
    assert errors["gru"] < 0.5 * errors["prior"]
    assert DwellTask.meaning in report.to_html()


def test_a_task_that_is_not_registered_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"tasks: no task 'dwell'; there are behavior, action, purchase"):
        from_recipe(recipe())
    with pytest.raises(RecipeError, match="no task 'dwell'"):
        TaskSet.fit(visits(), ["dwell"])


@pytest.mark.usefixtures("dwell")
def test_data_without_the_column_are_refused() -> None:
    data = visits()
    bare = data.with_events(data.events.drop("seconds"))
    with pytest.raises(DataError, match="no column 'seconds', which dwell needs"):
        from_recipe(recipe()).fit(bare)


@pytest.mark.usefixtures("dwell")
def test_two_classes_of_one_name_are_refused() -> None:
    register_task(DwellTask)  # the same class again is no other class

    class OtherTask(DwellTask):
        """Another class of that name."""

    with pytest.raises(DataError, match=r"the task 'dwell' is .*DwellTask already; rename one"):
        register_task(OtherTask)
