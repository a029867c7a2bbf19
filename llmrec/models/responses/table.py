"""The table of predicted responses: one row a user and item, the same columns from every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Floatings
from llmrec.data import Histories
from llmrec.data.columns import ITEM, USER
from llmrec.data.ids import some_ids
from llmrec.data.responses.task import TaskSpec
from llmrec.data.responses.task_set import TaskSet
from llmrec.models.arguments import lists_by_user

# By task: probabilities [n, n_levels], or numbers [n].
TaskPredictions = Mapping[str, Floatings]


def pairs_of(histories: Histories, items: str | Sequence[str] | Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Pair users with items, all or by user id: ``user_id, item_id, row`` (the history's index)."""
    users = histories.user_ids
    if isinstance(items, Mapping):
        by_user = lists_by_user(items, histories, label="items")
        lists = [by_user.get(user, []) for user in users]
    else:
        lists = [some_ids(items, label="items")] * len(users)
    rows = np.repeat(np.arange(len(users)), [len(one) for one in lists])
    names = pl.Series(users, dtype=pl.String).gather(rows)
    flat = pl.Series([item for one in lists for item in one], dtype=pl.String)
    return pl.DataFrame({USER: names, ITEM: flat, "row": rows})


def response_table(pairs: pl.DataFrame, predictions: TaskPredictions, tasks: TaskSet) -> pl.DataFrame:
    """Put predictions beside ``pairs``; see ``RespondingRecommender.predict_response`` for the columns."""
    columns: dict[str, Floatings] = {}
    for spec in tasks.specs:
        if spec.name in predictions:
            columns |= spec.task.to_table(spec, np.asarray(predictions[spec.name]))
    return pairs.with_columns(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items())


def skill(predictions: TaskPredictions, targets: Mapping[str, Float64s], tasks: TaskSet) -> float:
    """Mean over tasks of the skill score, 1 - loss / loss of the prior: 1 at best, 0 for the prior itself.

    The loss is the log loss for classes and ordinals, the squared error for numbers. ``targets`` [n] by task, NaN
    where unknown. A task without any counts 0, and none less than -1.
    """
    each = [_skill(spec, np.asarray(predictions[spec.name]), targets[spec.name]) for spec in tasks.specs]
    return float(np.mean(each))


def _skill(spec: TaskSpec, predictions: Floatings, targets: Float64s) -> float:
    known = ~np.isnan(targets)
    predictions, targets = predictions[known], targets[known]
    if not len(targets):
        return 0.0
    if predictions.ndim == 1:
        loss, prior_loss = np.square(predictions - targets).mean(), np.square(spec.mean - targets).mean()
    else:
        levels = spec.level_indices(targets)
        loss = -np.log(np.maximum(predictions[np.arange(len(levels)), levels], 1e-9)).mean()
        prior_loss = -np.log(np.array(spec.prior))[levels].mean()
    return max(float(1 - loss / max(prior_loss, 1e-9)), -1.0)
