"""The table of predicted responses: one row a user and item, the same columns from every model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Floatings
from llmrec.data.responses.tasks import TaskSet, TaskSpec

# By task: probabilities [n, n_levels], or numbers [n].
Answers = Mapping[str, Floatings]


def response_table(pairs: pl.DataFrame, answers: Answers, tasks: TaskSet) -> pl.DataFrame:
    """Put predictions beside ``pairs``; see ``RespondingRecommender.predict_response`` for the columns."""
    columns: dict[str, Floatings] = {}
    for spec in tasks.specs:
        if spec.name in answers:
            columns |= _columns(spec, np.asarray(answers[spec.name]))
    return pairs.with_columns(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items())


def _columns(spec: TaskSpec, found: Floatings) -> dict[str, Floatings]:
    if found.ndim == 1:
        return {spec.name: np.expm1(found) if spec.name == "value" else found}
    if spec.name == "purchase":
        return {"purchase": found[:, 1]}
    named = {f"{spec.name}_{level}": found[:, n] for n, level in enumerate(spec.levels)}
    if spec.values:
        named = {spec.name: found @ np.array(spec.values)} | named
    return named


def skill(answers: Answers, truths: Mapping[str, Float64s], tasks: TaskSet) -> float:
    """Mean over tasks of the share of the prior's loss that is avoided: 1 at best, 0 as the prior, less if worse.

    The loss is the log loss for classes and ordinals, the squared error for numbers. ``truths`` [n] by task, NaN
    where not known; a task without any counts 0, and none less than -1.
    """
    each = [_skill(spec, np.asarray(answers[spec.name]), truths[spec.name]) for spec in tasks.specs]
    return float(np.mean(each))


def _skill(spec: TaskSpec, found: Floatings, truth: Float64s) -> float:
    known = ~np.isnan(truth)
    found, truth = found[known], truth[known]
    if not len(truth):
        return 0.0
    if found.ndim == 1:
        own, usual = np.square(found - truth).mean(), np.square(spec.center - truth).mean()
    else:
        steps = np.abs(truth[:, None] - np.array(spec.values)).argmin(axis=1) if spec.kind == "ordinal" else truth
        places = steps.astype(np.int64)
        own = -np.log(np.maximum(found[np.arange(len(places)), places], 1e-9)).mean()
        usual = -np.log(np.array(spec.prior))[places].mean()
    return max(float(1 - own / max(usual, 1e-9)), -1.0)
