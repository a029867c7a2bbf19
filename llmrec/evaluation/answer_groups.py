"""Groups of the answers: by popularity, by the time since the history, by whether training has the transition."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.data import Dataset, Fold, Histories
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM, TIME, USER

KNOWN = ("a well-known item", "a middling item", "a little-known item", "an item nobody met")
GAPS = ("the same time", "under a minute", "under an hour", "under a day", "a day or more", "unknown")
TRANSITIONS = ("seen in training", "not seen in training", "no event before")
_SECONDS = (60, 3600, 86400)


def popularity_groups(train: Dataset) -> Int64s:
    """Number the items 0 to 3 as ``KNOWN`` names them, [n_items + 1]; the last stands for an unknown item."""
    counts = np.bincount(train.catalog.codes(train.positive_events[ITEM]), minlength=len(train.catalog))
    order = np.argsort(-counts, kind="stable")
    more_popular = np.cumsum(counts[order]) - counts[order]
    group = np.empty(len(counts) + 1, dtype=np.int64)
    group[order] = np.minimum(more_popular * 3 // max(int(counts.sum()), 1), 2)
    group[:-1][counts == 0] = 3
    group[-1] = 3
    return group


def gap_groups(fold: Fold) -> Int64s | None:
    """Number each answer by the seconds since its history's last event as ``GAPS`` names them, [n_answers].

    Unknown: an empty history, or a time that is missing. None for a fold without the times of its answers.
    """
    known = fold.histories
    if fold.events is None or TIME not in fold.events.columns or TIME not in known.events.columns:
        return None
    answers = fold.events.filter(positives_of(fold.events))
    if not answers.select(USER, ITEM).equals(fold.answers):
        return None
    rows, last = _last_rows(known)
    times = known.events[TIME].cast(pl.Float64).fill_null(np.nan).to_numpy()
    before = np.full(len(known), np.nan)
    before[rows] = times[last]
    gaps = answers[TIME].cast(pl.Float64).fill_null(np.nan).to_numpy() - before[_user_rows(fold)]
    groups = np.where(gaps == 0, 0, 1 + np.searchsorted(_SECONDS, gaps, side="right"))
    groups[~(gaps >= 0)] = GAPS.index("unknown")
    return groups


def transition_groups(fold: Fold, train: Dataset) -> Int64s:
    """Number each answer as ``TRANSITIONS`` names them, [n_answers].

    Seen: in a training history, the answer directly follows the last item of the query's history.
    """
    n_items, known = len(train.catalog), train.histories
    codes = train.catalog.codes(known.events[ITEM]).astype(np.int64)
    follows = np.ones(len(codes), dtype=np.bool_)
    follows[known.offsets[:-1][known.lengths() > 0]] = False
    pairs = codes[:-1] * n_items + codes[1:]
    rows, last = _last_rows(fold.histories)
    before = np.full(len(fold.histories), -1, dtype=np.int64)
    before[rows] = train.catalog.codes(fold.histories.events[ITEM].gather(last))
    before, answers = before[_user_rows(fold)], train.catalog.codes(fold.answers[ITEM])
    queries = np.where((before >= 0) & (answers >= 0), before * n_items + answers, -1)
    seen = pl.Series(queries).is_in(pl.Series(pairs[follows[1:]]).implode()).to_numpy()
    groups = np.where(seen, 0, 1)
    groups[(fold.histories.lengths() == 0)[_user_rows(fold)]] = TRANSITIONS.index("no event before")
    return groups


def _last_rows(known: Histories) -> tuple[Int64s, Int64s]:
    """Return which histories have events, and the row of each one's last event."""
    rows = np.flatnonzero(known.lengths() > 0)
    return rows, known.offsets[1:][rows] - 1


def _user_rows(fold: Fold) -> Int64s:
    """Return the position of each answer's user among the histories, [n_answers]."""
    users = pl.DataFrame({USER: pl.Series(fold.histories.user_ids, dtype=pl.String)}).with_row_index("row")
    joined = fold.answers.select(USER).join(users, on=USER, how="left", maintain_order="left")
    return joined["row"].cast(pl.Int64).to_numpy()
