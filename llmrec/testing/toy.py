"""The toy films that the contract is tested on: who saw u, u+1, u+2 sees u+3 next."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl

from llmrec import metrics
from llmrec.data import Dataset, Fold, Histories, Split, toy_films
from llmrec.data.columns import TIME
from llmrec.errors import InputError
from llmrec.models.ranker import Ranker

K = 10


@cache
def toy_split() -> Split:
    """Return what models are fitted and tested on: 20 films, 60 users.

    >>> toy_split().train
    Dataset(toy-films: 360 events, 60 users, 20 items)
    """
    return Split.leave_last_out(toy_films())


def backwards() -> Split:
    """Return another split of the same films, made anew: fewer users, who see them in the opposite order."""
    data = toy_films(n_users=24, seed=1)
    ends = (pl.col(TIME).min() + pl.col(TIME).max()).over("user_id")
    events = data.events.with_columns(ends - pl.col(TIME))
    return Split.leave_last_out(Dataset.from_tables(events, items=data.catalog.table, name="backwards"))


def of_all_lengths() -> Histories:
    """Return histories of 0 to 9 items, so that a batch of them is padded."""
    return Histories.of([[str((3 * n + step) % 20) for step in range(n)] for n in range(10)])


def ndcg(ranker: Ranker, fold: Fold) -> float:
    """Mean NDCG@10 of the recommendations for a fold.

    >>> from llmrec.models import MarkovRecommender
    >>> ndcg(MarkovRecommender().fit(toy_split().train), toy_split().test) > 0.9
    True
    """
    users = list(fold.histories.user_ids)
    table = metrics.per_user(ranker.recommend(fold.histories, K), fold.answers, users=users, k=K)
    return float(np.mean(table[f"ndcg@{K}"].to_numpy()))


def check_refused(call: object) -> None:
    """Raise AssertionError unless a call raises an InputError."""
    assert callable(call)
    assert not accepted(call), "bad input was accepted"


def accepted(call: Callable[[], object]) -> bool:
    """Whether a call raises no InputError."""
    try:
        call()
    except InputError:
        return False
    return True
