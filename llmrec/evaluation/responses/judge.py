"""Evaluate predicted responses: every model on the same events, from what is strictly earlier than each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data import Histories, Split
from llmrec.data.columns import ITEM, USER
from llmrec.data.responses import ResponseQueries, TaskSet, TaskSpec
from llmrec.data.splits.parts import TEST, VALID
from llmrec.errors import DataError
from llmrec.evaluation.responses import metrics
from llmrec.evaluation.responses.report import ResponseReport
from llmrec.evaluation.responses.results import ResponseResult
from llmrec.runtime import machine, versions

MOST = 10_000  # events to be predicted: a fixed random sample of more
WINDOW = 200  # the newest events of a history that any model reads


class ResponsePredictor(Protocol):
    """Whatever predicts responses."""

    def predict_response(self, histories: Histories, items: Mapping[str, list[str]]) -> pl.DataFrame: ...


def response_queries(
    split: Split,
    tasks: TaskSet,
    *,
    fold: Literal["valid", "test"] = "test",
    most: int = MOST,
    window: int = WINDOW,
    seed: int = 0,
) -> ResponseQueries:
    """Make queries of a fold's events, each with all strictly earlier events of its user, of whatever part.

    Of more than ``most`` events a random sample of them; a history holds at most the ``window`` newest events.

    >>> import polars as pl
    >>> from llmrec import Dataset, Split
    >>> rows = [(f"u{n % 20}", f"i{n % 7}", 86400 * n, n % 5 + 1) for n in range(200)]
    >>> events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row")
    >>> split = Split.global_time(Dataset.from_tables(events, time_format="seconds", positive="all"))
    >>> tasks = TaskSet.fit(split.train, ["rating"])
    >>> response_queries(split, tasks).targets.height
    20
    """
    chosen = split.parts == (TEST if fold == "test" else VALID)
    return ResponseQueries.of(split.data.histories, chosen, tasks, most=most, window=window, seed=seed)


def judge_responses(
    models: Mapping[str, ResponsePredictor],
    queries: ResponseQueries,
    tasks: TaskSet,
    *,
    about: str = "",
    split: str = "",
    samples: int | None = None,
    seed: int = 0,
) -> ResponseReport:
    """Have every model predict the same events and measure each task it predicts.

    ``about`` and ``split`` name the data and the split in the report. Intervals are by bootstrap over users.
    Raises DataError where no model predicts any of the tasks.

    >>> import polars as pl
    >>> from llmrec import Dataset, Split
    >>> rows = [(f"u{n % 20}", f"i{n % 7}", 86400 * n, n % 5 + 1) for n in range(200)]
    >>> events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row")
    >>> split = Split.global_time(Dataset.from_tables(events, time_format="seconds", positive="all"))
    >>> tasks = TaskSet.fit(split.train, ["rating"])
    >>> from llmrec.models.responses.baselines import PriorResponses
    >>> models = {"prior": PriorResponses().fit(split.train, tasks)}
    >>> judge_responses(models, response_queries(split, tasks), tasks, samples=9).tasks
    ['rating']
    """
    wanted = queries.targets.unique([USER, ITEM], maintain_order=True)
    pairs: dict[str, list[str]] = dict(wanted.group_by(USER, maintain_order=True).agg(ITEM).iter_rows())
    results, draws = [], metrics.SAMPLES if samples is None else samples
    for name, model in models.items():
        table = queries.targets.select(USER, ITEM).join(
            model.predict_response(queries.histories, pairs),
            on=[USER, ITEM],
            how="left",
            maintain_order="left",
            validate="m:1",
        )
        for spec in tasks.specs:
            predictions = spec.task.from_table(spec, table)
            if predictions is not None:
                results.append(_result(name, spec, queries, predictions, samples=draws, seed=seed))
    if not results:
        raise DataError(f"no model predicts any of the tasks {', '.join(tasks.names)}")
    return ResponseReport(
        data=about,
        split=split,
        results=tuple(results),
        versions=versions(),
        machine=machine(),
        events=queries.targets.height,
        users=queries.targets["owner"].n_unique(),
    )


def _result(
    name: str, spec: TaskSpec, queries: ResponseQueries, predictions: Float64s, *, samples: int, seed: int
) -> ResponseResult:
    """Measure predictions, probabilities [n, n_levels] or numbers [n], where the target is known."""
    targets = queries.targets[spec.name].to_numpy()
    known = ~np.isnan(targets)
    targets, predictions = targets[known], predictions[known]
    owners = queries.targets["owner"].to_numpy()[known]
    if not len(targets):
        raise DataError(f"none of the events to be predicted has a target of the task '{spec.name}'")
    if not np.isfinite(predictions).all():
        raise DataError(f"{name} predicts NaN or infinity for events of the task '{spec.name}'")
    fields: dict[str, Any] = {"model": name, "task": spec.name, "events": len(targets), "levels": spec.levels}
    if spec.kind != "classes":
        numbers = predictions if predictions.ndim == 1 else predictions @ np.array(spec.values)

        def measure_numbers(rows: Int64s) -> dict[str, float]:
            return metrics.number_metrics(targets[rows], numbers[rows])

        return ResponseResult(
            **fields, metrics=metrics.intervals(measure_numbers, owners, samples=samples, seed=seed)
        )
    classes = targets.astype(np.int64)

    def measure_classes(rows: Int64s) -> dict[str, float]:
        return metrics.class_metrics(classes[rows], predictions[rows])

    return ResponseResult(
        **fields,
        metrics=metrics.intervals(measure_classes, owners, samples=samples, seed=seed),
        classes=tuple(metrics.per_class(classes, predictions, spec.levels)),
        confusion=tuple(map(tuple, metrics.confusion(classes, predictions))),
        curves=metrics.curves(classes, predictions),
    )
