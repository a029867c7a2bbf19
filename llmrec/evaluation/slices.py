"""Accuracy on slices of the queries: by length of history and by popularity of the answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int64s
from llmrec.data import Dataset, Fold
from llmrec.data.columns import ITEM, USER
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.results import Slice
from llmrec.evaluation.significance import bootstrap
from llmrec.metrics import per_user

LENGTHS = (0, 5, 10, 20, 50, 100)
HISTORY, ANSWER = "history length", "answer"
KNOWN = ("a well-known item", "a middling item", "a little-known item", "an item nobody met")


def slice_metric(recs: pl.DataFrame, fold: Fold, train: Dataset, rules: EvaluationProtocol) -> tuple[Slice, ...]:
    """Judge one model's recommendations by the protocol's first metric on each slice of the queries.

    History length: events in the query's history. Answer: by training targets, the most popular items that
    hold the first third of all, those of the second third, those of the last, and items without any;
    a user with answers in several groups is in each, with those answers alone. Empty slices are left out.
    """
    user_ids = np.array(fold.histories.user_ids, dtype=object)
    parts = []
    for name, mask in _by_length(fold.histories.lengths()):
        parts.append((HISTORY, name, fold.answers, user_ids[mask].tolist()))
    groups = _groups(train)[train.catalog.codes(fold.answers[ITEM])]
    for number, name in enumerate(KNOWN):
        answers = fold.answers.filter(pl.Series(groups == number))
        parts.append((ANSWER, name, answers, answers[USER].unique(maintain_order=True).to_list()))
    return tuple(_slice(by, name, recs, answers, users, rules) for by, name, answers, users in parts if len(users))


def _slice(
    by: str, name: str, recs: pl.DataFrame, answers: pl.DataFrame, users: list[str], rules: EvaluationProtocol
) -> Slice:
    column = rules.columns[0]
    values = per_user(recs, answers, users=users, k=rules.k)[column].to_numpy()
    interval = bootstrap(values, samples=rules.bootstrap_samples, level=rules.level, seed=rules.seed)
    return Slice(by=by, name=name, users=len(users), metric=column, interval=interval)


def _by_length(lengths: Int64s) -> list[tuple[str, Bools]]:
    group = np.searchsorted(LENGTHS, lengths, side="left")
    names = ["none", *(f"{low + 1} to {high}" for low, high in pairwise(LENGTHS))]
    return [(name, group == number) for number, name in enumerate([*names, f"over {LENGTHS[-1]}"])]


def _groups(train: Dataset) -> Int64s:
    """Number the items 0 to 3 as ``KNOWN`` names them, [n_items + 1]; the last stands for an unknown item."""
    counts = np.bincount(train.catalog.codes(train.positive_events[ITEM]), minlength=len(train.catalog))
    order = np.argsort(-counts, kind="stable")
    more_popular = np.cumsum(counts[order]) - counts[order]
    group = np.empty(len(counts) + 1, dtype=np.int64)
    group[order] = np.minimum(more_popular * 3 // max(int(counts.sum()), 1), 2)
    group[:-1][counts == 0] = 3
    group[-1] = 3
    return group
