"""Find which history items moved a recommendation: leave each one out and see how far the score falls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Float32s, Float64s, Int32s, Int64s
from llmrec.data import Catalog, Histories
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM, TITLE, USER
from llmrec.data.histories import offsets_of
from llmrec.errors import DataError
from llmrec.models.ranker import CHUNK, Ranker
from llmrec.reasons.evidence import Cited, Evidence, Item, Pair
from llmrec.reasons.names import are_choices

# A history with items left out: its index and their ids.
Occluded = tuple[int, tuple[str, ...]]
# What to read from a row of scores: an item's score, or its lead over a rival. Item codes.
Target = tuple[int, int | None]

# A fall smaller than this share of the score is rounding, not evidence.
_NOISE = 1e-5


def occlusion(
    model: Ranker,
    histories: Histories,
    recs: pl.DataFrame,
    *,
    instead: Sequence[str] | None = None,
    top: int = 3,
    most: int = 50,
) -> list[Evidence]:
    """Find the evidence for every row of ``recs`` (``user_id, item_id``), in its order.

    A history item's contribution is the score of the recommended item minus its score when the history
    lacks that item (at every occurrence); only the newest ``most`` items are tried and at most ``top`` with
    a positive contribution cited, largest first, with the interaction of each two of them; never one that was
    sent back or disliked the last time, nor postage: nobody is told to have chosen it. ``instead`` names
    a rival for each row: then contributions are to the lead over it. Histories are scored in large batches,
    over all users. What the data say besides is added by ``add_facts``.
    Raises DataError for a user without a history here or an item that is not in the catalog.

    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> evidence = occlusion(model, histories, model.recommend(histories, 1))[0]
    >>> [cited.title for cited in evidence.cited]
    ['Film 02: Broken Orchard']
    """
    rows = _history_rows(histories, recs)
    catalog = model.catalog
    codes = [catalog.code(item) for item in recs[ITEM].to_list()]
    rivals = [None if instead is None else catalog.code(instead[n]) for n in range(recs.height)]
    targets: list[Target] = list(zip(codes, rivals, strict=True))
    chosen = {row: _chosen(histories, row, catalog) for row in dict.fromkeys(rows)}
    tried = {row: items[:most] for row, items in chosen.items()}
    occluded: list[list[Occluded]] = [[(row, ()), *((row, (item,)) for item in tried[row])] for row in rows]
    singles = _target_scores(model, histories, occluded, targets)
    cited = [_cite(catalog, tried[row], one, top) for row, one in zip(rows, singles, strict=True)]
    whole = [float(one.scores[0]) for one in singles]
    pairs = _pairs(model, histories, list(zip(rows, cited, strict=True)), targets, whole)
    return [
        Evidence(
            user,
            Item.of(catalog, code),
            cited[n],
            pairs[n],
            rival=None if rival is None else Item.of(catalog, rival),
            rank=int(singles[n].ranks[0]),
            n_choices=len(chosen[rows[n]]) if len(chosen[rows[n]]) <= most else 0,
            n_helping=int((falls(singles[n].scores) > 0).sum()),
        )
        for n, (user, (code, rival)) in enumerate(zip(recs[USER].to_list(), targets, strict=True))
    ]


def scores_without(
    model: Ranker, histories: Histories, recs: pl.DataFrame, removed: Sequence[Sequence[Sequence[str]]]
) -> list[Float64s]:
    """Score each row's item with its history whole, then without each group of ``removed[row]``.

    Returns one float64 [1 + groups] for each row. Raises DataError for an unknown user or item.
    """
    targets: list[Target] = [(model.catalog.code(item), None) for item in recs[ITEM].to_list()]
    pairs = zip(_history_rows(histories, recs), removed, strict=True)
    occluded: list[list[Occluded]] = [
        [(row, ()), *((row, tuple(group)) for group in groups)] for row, groups in pairs
    ]
    return [one.scores for one in _target_scores(model, histories, occluded, targets)]


def falls(scores: Float64s) -> Float64s:
    """Return by how much scores [1 + n] lie below the first of them; falls that are mere rounding are 0."""
    differences: Float64s = scores[0] - scores[1:]
    differences[np.abs(differences) <= _NOISE * max(1.0, abs(float(scores[0])))] = 0.0
    return differences


def _history_rows(histories: Histories, recs: pl.DataFrame) -> list[int]:
    """Return the index of each row's history."""
    known = {user: n for n, user in enumerate(histories.user_ids)}
    for user in recs[USER].to_list():
        if user not in known:
            raise DataError(f"recs: user '{user}' is not among the {len(known)} users of these histories")
    return [known[user] for user in recs[USER].to_list()]


def _chosen(histories: Histories, row: int, catalog: Catalog) -> list[str]:
    """Return distinct catalog items of a history, newest first, without those sent back or disliked the last time.

    Postage, fees and discounts are lines of a bill, not choices, unless there is nothing else.
    """
    events = histories.events_of(row)
    newest = dict(zip(events[ITEM].to_list(), positives_of(events).to_list(), strict=True))
    distinct = [item for item in dict.fromkeys(reversed(events[ITEM].to_list())) if newest[item]]
    codes = catalog.codes(distinct)
    known = [item for item, code in zip(distinct, codes, strict=True) if code >= 0]
    titles = catalog.table[TITLE].gather(codes[codes >= 0]).fill_null("").to_list()
    return [item for item, is_one in zip(known, are_choices(titles), strict=True) if is_one]


class _Scored(NamedTuple):
    """A target by each of a row's histories: its scores, float64 [n], and its ranks from 1, int64 [n].

    Ranks are 0 where it cannot be recommended: no list holds it.
    """

    scores: Float64s
    ranks: Int64s


def _target_scores(
    model: Ranker, histories: Histories, occluded: list[list[Occluded]], targets: list[Target]
) -> list[_Scored]:
    """Score each row's target by each of its histories. Rows may share histories: each is scored once."""
    uses: dict[Occluded, list[tuple[int, int]]] = {}
    for row, variants in enumerate(occluded):
        for n, variant in enumerate(variants):
            uses.setdefault(variant, []).append((row, n))
    results = [_Scored(np.zeros(len(one)), np.zeros(len(one), dtype=np.int64)) for one in occluded]
    not_ranked = {history: _not_ranked(model, histories, history) for history in {one[0] for one in uses}}
    distinct = list(uses)
    for start in range(0, len(distinct), CHUNK):
        part = distinct[start : start + CHUNK]
        for variant, scores in zip(part, model.score_variants(_without(histories, part)), strict=True):
            for row, n in uses[variant]:
                item, rival = targets[row]
                results[row].scores[n] = float(scores[item]) - (0.0 if rival is None else float(scores[rival]))
                better, left_out = _above(scores, item, model.catalog), not_ranked[variant[0]]
                better[left_out] = False
                results[row].ranks[n] = 0 if (left_out == item).any() else 1 + np.count_nonzero(better)
    return results


def _above(scores: Float32s, item: int, catalog: Catalog) -> Bools:
    """Return which items stand above one, [n_items]; ties as lists break them."""
    better: Bools = scores > scores[item]
    ties = np.flatnonzero(scores == scores[item])
    if len(ties) > 1:
        better[ties] = catalog.tie_order[ties] < catalog.tie_order[item]
    return better


def _not_ranked(model: Ranker, histories: Histories, row: int) -> Int32s:
    """Return the codes of what is not recommended to a user: removed items and, mostly, the whole history's.

    An item left out of the history is none that could be recommended instead.
    """
    catalog = model.catalog
    seen = catalog.codes(histories.events_of(row)[ITEM])
    codes = np.unique(seen[seen >= 0]) if model.exclude_seen else np.zeros(0, dtype=np.int32)
    if catalog.removed is not None:
        codes = np.union1d(codes, np.flatnonzero(catalog.removed)).astype(np.int32)
    return codes


def _without(histories: Histories, variants: list[Occluded]) -> Histories:
    """Return one history for each variant. Event fields stay with their events."""
    items = histories.events[ITEM].to_numpy()
    remaining = []
    for row, removed in variants:
        events = np.arange(histories.offsets[row], histories.offsets[row + 1])
        remaining.append(events[~np.isin(items[events].astype(str), removed)] if removed else events)
    names = tuple(str(n) for n in range(len(remaining)))
    offsets = offsets_of([len(events) for events in remaining])
    return Histories(names, histories.events[np.concatenate(remaining)], offsets)


def _cite(catalog: Catalog, removed: list[str], scored: _Scored, top: int) -> tuple[Cited, ...]:
    fall = falls(scored.scores)
    # The order is stable: of two that weigh the same, the newer is cited first.
    best = [n for n in np.argsort(-fall, kind="stable")[:top] if fall[n] > 0]
    items = [Item.of(catalog, catalog.code(removed[n])) for n in best]
    return tuple(
        Cited(item.item_id, item.title, item.metadata, float(fall[n]), int(scored.ranks[n + 1]))
        for n, item in zip(best, items, strict=True)
    )


def _pairs(
    model: Ranker,
    histories: Histories,
    cited: list[tuple[int, tuple[Cited, ...]]],
    targets: list[Target],
    whole: list[float],
) -> list[tuple[Pair, ...]]:
    """Leave out each two of the three strongest. ``cited``: history index and cited items of each row."""
    twos = [list(combinations(items[:3], 2)) for _, items in cited]
    occluded: list[list[Occluded]] = [
        [(row, (one.item_id, other.item_id)) for one, other in pairs]
        for (row, _), pairs in zip(cited, twos, strict=True)
    ]
    results = _target_scores(model, histories, occluded, targets)
    return [
        tuple(_interactions(pairs, falls(np.concatenate([[full], one.scores])), one.ranks))
        for pairs, full, one in zip(twos, whole, results, strict=True)
    ]


def _interactions(twos: list[tuple[Cited, Cited]], fall: Float64s, ranks: Int64s) -> Iterator[Pair]:
    for (one, other), both, rank in zip(twos, fall, ranks, strict=True):
        interaction = float(both) - one.contribution - other.contribution
        yield Pair((one.item_id, other.item_id), interaction, int(rank))
