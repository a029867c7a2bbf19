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

AT_ONCE = 16  # histories that are scored at once: scores of a large catalog are large


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
    item_rules = ranker.request(1, rules, 0.0).rules
    seen = np.zeros(0, dtype=np.int64)
    if ranker.exclude_seen if exclude_seen is None else exclude_seen:
        seen = Sequences.encode(histories[:1], catalog).codes.astype(np.int64)
    ranks: list[list[int | None]] = []
    for start in range(0, len(histories), AT_ONCE):
        scores = item_rules.applied(ranker.score(histories[start : start + AT_ONCE]))
        scores[:, seen] = -np.inf
        ranks += [[_rank(row, code, catalog.tie_order) for code in codes] for row in scores]
    return [
        {"item_id": item, "rank": whole, "without": dict(zip(without, others, strict=True))}
        for item, (whole, *others) in zip(item_ids, zip(*ranks, strict=True), strict=True)
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
