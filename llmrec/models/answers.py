"""The table of predicted responses: one row a user and item, the same columns from every model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.data.responses import TaskSet, TaskSpec

# By task: probabilities [n, n_levels], or numbers [n].
Answers = Mapping[str, npt.NDArray[np.floating]]


def response_table(pairs: pl.DataFrame, answers: Answers, tasks: TaskSet) -> pl.DataFrame:
    """Put predictions beside ``pairs``; see ``RespondingRecommender.predict_response`` for the columns."""
    columns: dict[str, npt.NDArray[np.floating]] = {}
    for spec in tasks.specs:
        if spec.name in answers:
            columns |= _columns(spec, np.asarray(answers[spec.name]))
    return pairs.with_columns(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items())


def _columns(spec: TaskSpec, found: npt.NDArray[np.floating]) -> dict[str, npt.NDArray[np.floating]]:
    if found.ndim == 1:
        return {spec.name: np.expm1(found) if spec.name == "value" else found}
    if spec.name == "purchase":
        return {"purchase": found[:, 1]}
    named = {f"{spec.name}_{level}": found[:, n] for n, level in enumerate(spec.levels)}
    if spec.values:
        named = {spec.name: found @ np.array(spec.values)} | named
    return named
