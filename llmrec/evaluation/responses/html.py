"""The report on predicted responses as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmrec.data.responses import TASKS
from llmrec.evaluation.responses import summary
from llmrec.evaluation.responses.plots import curve_figure
from llmrec.evaluation.responses.results import ResponseResult
from llmrec.pages import environment


class TaskPart(NamedTuple):
    """What the page shows of one task."""

    name: str
    meaning: str
    columns: list[str]
    results: Sequence[ResponseResult]
    best: dict[str, float]
    against_prior: list[float] | None
    figure: str | None


def page(tasks: Sequence[Sequence[ResponseResult]], **about: Any) -> str:
    """Render the results of each task. ``about`` has ``data, split, events, users, versions, machine``."""
    pages = environment(Path(__file__).parent)
    parts = [_part(results) for results in tasks]
    shown = dict.fromkeys(column for part in parts for column in part.columns)
    return pages.get_template("responses.html.j2").render(
        parts=parts,
        heads=_heads,
        verdicts=[line for results in tasks for line in summary.verdicts(results)],
        terms=[(summary.NAMES.get(column, column), summary.MEANINGS[column]) for column in shown],
        **about,
    )


def _heads(part: TaskPart) -> list[str]:
    names = [summary.NAMES.get(column, column) for column in part.columns]
    return names if part.against_prior is None else ["against the prior", *names]


def _part(results: Sequence[ResponseResult]) -> TaskPart:
    task, columns, prior = results[0].task, summary.columns_of(results), summary.prior_of(results)
    loss = summary.loss_of(results)
    against = None if prior is None else [summary.skill(one.metrics[loss].mean, prior.mean) for one in results]
    return TaskPart(
        name=task,
        # Unknown for a task of another package that is not imported.
        meaning=TASKS[task].meaning if task in TASKS else "",
        columns=columns,
        results=results,
        best={column: summary.best(results, column) for column in columns},
        against_prior=against,
        figure=curve_figure(results),
    )
