"""One model's result on one task: metrics, curves and the confusion matrix."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from llmrec.evaluation.significance import Interval


class ResponseResult(BaseModel):
    """One model on one task. ``levels``: names of the classes or steps; ``classes``: a row of metrics for each.

    ``confusion`` and ``curves`` are those of ``metrics.confusion`` and ``metrics.curves``; empty for numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    task: str
    events: int
    levels: tuple[str, ...] = ()
    metrics: dict[str, Interval]
    classes: tuple[dict[str, str | float | int], ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    curves: dict[str, list[list[float]]] = {}
