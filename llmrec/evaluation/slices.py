"""Accuracy on slices of the queries: by length of history, and by what the answer is to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.data import Dataset, Fold
from llmrec.data.columns import ITEM, USER
from llmrec.evaluation.answer_groups import (
    GAPS,
    KNOWN,
    TRANSITIONS,
    gap_groups,
    popularity_groups,
    transition_groups,
)
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.results import Slice
from llmrec.metrics import per_user

LENGTHS = (0, 5, 10, 20, 50, 100)
HISTORY, ANSWER, GAP, TRANSITION = "history length", "answer", "gap before the answer", "transition"


@dataclass(frozen=True, eq=False)
class QuerySlice:
    """The users of a slice with those of their answers that are in it."""

    by: str
    name: str
    answers: pl.DataFrame
    users: list[str]


def slice_queries(fold: Fold, train: Dataset) -> list[QuerySlice]:
    """Divide the queries of a fold in several ways. Empty slices are left out.

    History length: events in the query's history. Answer: by training targets, the most popular items that
    hold the first third of all, those of the second third, those of the last, and items without any.
    Gap before the answer: time since the history's last event, where the log has times. Transition: whether a
    training history has the answer right after the item that this history ends with. A user with answers in
    several groups is in each, with those answers alone.
    """
    user_ids = np.array(fold.histories.user_ids, dtype=object)
    lengths = np.searchsorted(LENGTHS, fold.histories.lengths(), side="left")
    names = ["none", *(f"{low + 1} to {high}" for low, high in pairwise(LENGTHS)), f"over {LENGTHS[-1]}"]
    slices = [
        QuerySlice(HISTORY, name, fold.answers, user_ids[lengths == number].tolist())
        for number, name in enumerate(names)
    ]
    slices += _by_answer(ANSWER, KNOWN, popularity_groups(train)[train.catalog.codes(fold.answers[ITEM])], fold)
    gaps = None if train.order_only else gap_groups(fold)
    slices += [] if gaps is None else _by_answer(GAP, GAPS, gaps, fold)
    slices += _by_answer(TRANSITION, TRANSITIONS, transition_groups(fold, train), fold)
    return [one for one in slices if one.users]


def slice_metric(
    recs: pl.DataFrame, fold: Fold, slices: Iterable[QuerySlice], rules: EvaluationProtocol
) -> tuple[Slice, ...]:
    """Judge one model's recommendations by the protocol's first metric on each slice of the fold's queries."""
    hits = recs.join(fold.answers, on=[USER, ITEM], how="semi")  # all that a metric reads, a fraction of the rows
    return tuple(_slice(one, hits, rules) for one in slices)


def _slice(one: QuerySlice, hits: pl.DataFrame, rules: EvaluationProtocol) -> Slice:
    column = rules.columns[0]
    values = per_user(hits, one.answers, users=one.users, k=rules.k)[column].to_numpy()
    return Slice(by=one.by, name=one.name, users=len(one.users), metric=column, interval=rules.interval(values))


def _by_answer(by: str, names: Sequence[str], groups: Int64s, fold: Fold) -> list[QuerySlice]:
    """Make a slice of each group; ``groups`` [n_answers] numbers the fold's answers as ``names`` names them."""
    parts = [fold.answers.filter(pl.Series(groups == number)) for number in range(len(names))]
    return [
        QuerySlice(by, name, answers, answers[USER].unique(maintain_order=True).to_list())
        for name, answers in zip(names, parts, strict=True)
    ]
