"""Judge predicted responses: every model on the same events, each after what was strictly earlier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data import Histories, Split
from llmrec.data.columns import ITEM, USER
from llmrec.data.responses.tasks import ResponseQueries, TaskSet, TaskSpec, response_queries
from llmrec.data.splits.strategies import TEST, VALID
from llmrec.errors import DataError
from llmrec.evaluation.responses import metrics as judging
from llmrec.evaluation.responses.report import ResponseReport
from llmrec.evaluation.responses.results import Judged
from llmrec.runtime import machine, versions

MOST = 10_000  # events asked about: a fixed random sample of more
WINDOW = 200  # the newest events of a history that any model is shown


class Responds(Protocol):
    """Whatever predicts responses."""

    def predict_response(self, histories: Histories, items: Mapping[str, list[str]]) -> pl.DataFrame: ...


def response_questions(
    split: Split,
    tasks: TaskSet,
    *,
    fold: Literal["valid", "test"] = "test",
    most: int = MOST,
    window: int = WINDOW,
    seed: int = 0,
) -> ResponseQueries:
    """Ask about a fold's events, each with all that its user did strictly before, whatever part that is in.

    Items that the catalog of the training data lacks are not asked about.
    """
    chosen = split.parts == (TEST if fold == "test" else VALID)
    return response_queries(split.data.histories, chosen, tasks, most=most, window=window, seed=seed)


def judge_responses(
    models: Mapping[str, Responds],
    questions: ResponseQueries,
    tasks: TaskSet,
    *,
    about: str = "",
    split: str = "",
    samples: int | None = None,
    seed: int = 0,
) -> ResponseReport:
    """Ask every model and judge each task it answers. Raises DataError where none answers any.

    ``about`` and ``split`` name the data and the cut in the report. Intervals are by bootstrap over users.
    """
    wanted = questions.answers.unique([USER, ITEM], maintain_order=True)
    pairs: dict[str, list[str]] = dict(wanted.group_by(USER, maintain_order=True).agg(ITEM).iter_rows())
    results, draws = [], judging.SAMPLES if samples is None else samples
    for name, model in models.items():
        table = model.predict_response(questions.histories, pairs)
        own = questions.answers.select(USER, ITEM).join(
            table, on=[USER, ITEM], how="left", maintain_order="left", validate="m:1"
        )
        for spec in tasks.specs:
            found = _predicted(spec, own)
            if found is not None:
                results.append(_judged(name, spec, questions, found, samples=draws, seed=seed))
    if not results:
        raise DataError("no model answers any of the tasks that are judged")
    return ResponseReport(
        data=about,
        split=split,
        results=tuple(results),
        versions=versions(),
        machine=machine(),
        events=questions.answers.height,
        users=questions.answers["owner"].n_unique(),
    )


def _predicted(spec: TaskSpec, table: pl.DataFrame) -> Float64s | None:
    """Read a task's probabilities [n, n_levels] or numbers [n] off a table; None where it has none."""
    if spec.kind == "number" or (spec.kind == "ordinal" and f"{spec.name}_{spec.levels[0]}" not in table.columns):
        if spec.name not in table.columns:
            return None
        numbers = table[spec.name].to_numpy()
        return np.log1p(np.maximum(numbers, 0)) if spec.name == "value" else numbers
    if spec.name == "purchase":
        if "purchase" not in table.columns:
            return None
        bought = table["purchase"].to_numpy()
        return np.stack([1 - bought, bought], axis=1)
    names = [f"{spec.name}_{level}" for level in spec.levels]
    return table.select(names).to_numpy() if names[0] in table.columns else None


def _judged(
    name: str,
    spec: TaskSpec,
    questions: ResponseQueries,
    found: Float64s,
    *,
    samples: int,
    seed: int,
) -> Judged:
    truth = questions.answers[spec.name].to_numpy()
    known = ~np.isnan(truth)
    truth, found = truth[known], found[known]
    owners = questions.answers["owner"].to_numpy()[known]
    if not len(truth):
        raise DataError(f"no event asked about has an answer to '{spec.name}'")
    if not np.isfinite(found).all():
        raise DataError(f"{name} gave no number for some events of '{spec.name}'")
    facts: dict[str, Any] = {"model": name, "task": spec.name, "events": len(truth), "levels": spec.levels}
    if spec.kind != "classes":
        steps = np.array(spec.values)
        numbers = found if found.ndim == 1 else found @ steps

        def judge_numbers(rows: Int64s) -> dict[str, float]:
            return judging.number_metrics(truth[rows], numbers[rows])

        return Judged(**facts, metrics=judging.intervals(judge_numbers, owners, samples=samples, seed=seed))
    classes = truth.astype(np.int64)

    def judge_classes(rows: Int64s) -> dict[str, float]:
        return judging.class_metrics(classes[rows], found[rows])

    return Judged(
        **facts,
        metrics=judging.intervals(judge_classes, owners, samples=samples, seed=seed),
        classes=tuple(judging.per_class(classes, found, spec.levels)),
        confusion=tuple(map(tuple, judging.confusion(classes, found))),
        curves=judging.curves(classes, found),
    )
