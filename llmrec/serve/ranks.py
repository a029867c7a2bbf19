"""Where items stand in a user's list, and where they would stand without an item of the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Histories, Sequences
from llmrec.data.columns import ITEM
from llmrec.data.histories import offsets_of
from llmrec.models.ranker import Ranker
from llmrec.retrieval import Filter


def ranks_without(
    ranker: Ranker,
    events: pl.DataFrame,
    item_ids: Sequence[str],
    without: Sequence[str],
    *,
    exclude_seen: bool | None,
    rules: Filter | None,
) -> list[dict[str, Any]]:
    """Return ``item_id``, its ``rank``, and its rank ``without`` each item of a history, given by ``events``.

    All are ranks among the items that can be recommended for the whole history: one that is taken out of it does
    not become a candidate, as in the evidence of reasons. None for an item that is no candidate.
    Raises DataError for an unknown item or a filter that leaves nothing.
    """
    catalog = ranker.catalog
    codes = np.array([catalog.code(item) for item in item_ids], dtype=np.int64)
    histories = _variants(events, without)
    scores = ranker.request(1, rules, 0.0).rules.applied(ranker.score(histories))
    if ranker.exclude_seen if exclude_seen is None else exclude_seen:
        scores[:, Sequences.encode(histories[:1], catalog).codes] = -np.inf
    ranks = [[_rank(row, code, catalog.tie_order) for row in scores] for code in codes]
    return [
        {"item_id": item, "rank": whole, "without": dict(zip(without, others, strict=True))}
        for item, (whole, *others) in zip(item_ids, ranks, strict=True)
    ]


def _variants(events: pl.DataFrame, without: Sequence[str]) -> Histories:
    """Return the history whole, then without every event of each item."""
    parts = [events, *(events.filter(pl.col(ITEM) != item) for item in without)]
    names = tuple(str(n) for n in range(len(parts)))
    return Histories(names, pl.concat(parts), offsets_of([part.height for part in parts]))


def _rank(scores: Float32s, code: int, tie_order: Int64s) -> int | None:
    score = scores[code]
    if np.isneginf(score):
        return None
    ties = (scores == score) & (tie_order < tie_order[code])
    return 1 + int(np.count_nonzero(scores > score)) + int(np.count_nonzero(ties))
