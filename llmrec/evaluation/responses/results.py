"""What judging predicted responses yields: one model's metrics, curves and counts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from llmrec.evaluation.significance import Interval


class Judged(BaseModel):
    """One model on one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    task: str
    events: int
    levels: tuple[str, ...] = ()
    metrics: dict[str, Interval]
    classes: tuple[dict[str, str | float | int], ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    curves: dict[str, list[list[float]]] = {}
