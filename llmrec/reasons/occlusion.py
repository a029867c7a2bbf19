"""Find which history items moved a recommendation: take each one out and see how far the score falls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl

from llmrec.arrays import Float64s
from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import offsets_of
from llmrec.errors import DataError
from llmrec.models.base import CHUNK, Recommender
from llmrec.reasons.evidence import Cited, Evidence, Item, Pair
from llmrec.reasons.facts import add_facts

# A history without some of its items, by its place and the ids that are left out.
Removal = tuple[int, tuple[str, ...]]
# What to look at in an answer: an item's score, or its lead over another item.
Target = tuple[int, int | None]

# A fall smaller than this share of the score is rounding, not evidence.
_NOISE = 1e-5


def occlusion(
    model: Recommender,
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
    a positive contribution cited, largest first, with the interaction of each two of them, the attributes
    they share with the item and how many people chose both. ``instead`` names a rival for each row: then
    contributions are to the lead over it. Histories are scored in large batches, over all users.
    Raises DataError for a user without a history here or an item that is not in the catalog.
    """
    places = _places(histories, recs)
    catalog = model.catalog
    codes = [catalog.code(item) for item in recs[ITEM].to_list()]
    rivals = [None if instead is None else catalog.code(instead[row]) for row in range(recs.height)]
    wanted: list[Target] = list(zip(codes, rivals, strict=True))
    tried = {place: _newest_known(histories.items(place), catalog, most) for place in dict.fromkeys(places)}
    asked: list[list[Removal]] = [[(place, ()), *((place, (item,)) for item in tried[place])] for place in places]
    singles = _answers(model, histories, asked, wanted)
    cited = [_cite(catalog, tried[place], falls(one), top) for place, one in zip(places, singles, strict=True)]
    pairs = _pairs(model, histories, list(zip(places, cited, strict=True)), wanted, [one[0] for one in singles])
    found = [
        Evidence(user, Item.of(catalog, code), cited[row], pairs[row])
        for row, (user, code) in enumerate(zip(recs[USER].to_list(), codes, strict=True))
    ]
    against = [
        one if rival is None else replace(one, rival=Item.of(catalog, rival))
        for one, rival in zip(found, rivals, strict=True)
    ]
    return add_facts(against, model)


def scores_without(
    model: Recommender, histories: Histories, recs: pl.DataFrame, removed: Sequence[Sequence[Sequence[str]]]
) -> list[Float64s]:
    """Score each row's item with its history whole, then without each group of ``removed[row]``.

    Returns one float64 [1 + groups] for each row. Raises DataError for an unknown user or item.
    """
    places = _places(histories, recs)
    wanted: list[Target] = [(model.catalog.code(item), None) for item in recs[ITEM].to_list()]
    rows = zip(places, removed, strict=True)
    asked: list[list[Removal]] = [[(place, ()), *((place, tuple(group)) for group in own)] for place, own in rows]
    return _answers(model, histories, asked, wanted)


def falls(scores: Float64s) -> Float64s:
    """Return by how much scores [1 + n] lie below the first of them; falls within rounding of nothing are 0."""
    found: Float64s = scores[0] - scores[1:]
    found[np.abs(found) <= _NOISE * max(1.0, abs(float(scores[0])))] = 0.0
    return found


def _places(histories: Histories, recs: pl.DataFrame) -> list[int]:
    known = {user: n for n, user in enumerate(histories.user_ids)}
    for user in recs[USER].to_list():
        if user not in known:
            raise DataError(f"recs: user '{user}' is not among the {len(known)} users of these histories")
    return [known[user] for user in recs[USER].to_list()]


def _newest_known(items: list[str], catalog: Catalog, most: int) -> list[str]:
    """Return distinct catalog items of one history, newest first, at most ``most``."""
    distinct = list(dict.fromkeys(reversed(items)))
    known = catalog.codes(distinct) >= 0
    return [item for item, keep in zip(distinct, known, strict=True) if keep][:most]


def _answers(
    model: Recommender, histories: Histories, asked: list[list[Removal]], wanted: list[Target]
) -> list[Float64s]:
    """Answer each row's questions about its own item. Rows may share questions: each is scored once."""
    readers: dict[Removal, list[tuple[int, int]]] = {}
    for row, questions in enumerate(asked):
        for n, question in enumerate(questions):
            readers.setdefault(question, []).append((row, n))
    found = [np.zeros(len(questions), dtype=np.float64) for questions in asked]
    distinct = list(readers)
    for start in range(0, len(distinct), CHUNK):
        part = distinct[start : start + CHUNK]
        for question, scores in zip(part, model.score(_without(histories, part)), strict=True):
            for row, n in readers[question]:
                item, rival = wanted[row]
                found[row][n] = float(scores[item]) - (0.0 if rival is None else float(scores[rival]))
    return found


def _without(histories: Histories, questions: list[Removal]) -> Histories:
    """Return one history for each question. Event fields stay with their events."""
    items = histories.events[ITEM].to_numpy()
    kept = []
    for place, removed in questions:
        rows = np.arange(histories.offsets[place], histories.offsets[place + 1])
        kept.append(rows[~np.isin(items[rows].astype(str), removed)] if removed else rows)
    names = tuple(str(n) for n in range(len(kept)))
    return Histories(names, histories.events[np.concatenate(kept)], offsets_of([len(rows) for rows in kept]))


def _cite(catalog: Catalog, removed: list[str], fall: Float64s, top: int) -> tuple[Cited, ...]:
    # The order is stable: of two that weigh the same, the newer is cited first.
    best = [n for n in np.argsort(-fall, kind="stable")[:top] if fall[n] > 0]
    items = [Item.of(catalog, catalog.code(removed[n])) for n in best]
    return tuple(
        Cited(item.item_id, item.title, item.metadata, contribution=float(fall[n]))
        for n, item in zip(best, items, strict=True)
    )


def _pairs(
    model: Recommender,
    histories: Histories,
    cited: list[tuple[int, tuple[Cited, ...]]],
    wanted: list[Target],
    whole: list[float],
) -> list[tuple[Pair, ...]]:
    """Take out each two of the three strongest."""
    twos = [list(combinations(own[:3], 2)) for _, own in cited]
    asked: list[list[Removal]] = [
        [(place, (one.item_id, other.item_id)) for one, other in own]
        for (place, _), own in zip(cited, twos, strict=True)
    ]
    answers = _answers(model, histories, asked, wanted)
    return [
        tuple(_interactions(own, falls(np.concatenate([[full], scores]))))
        for own, full, scores in zip(twos, whole, answers, strict=True)
    ]


def _interactions(twos: list[tuple[Cited, Cited]], fall: Float64s) -> Iterator[Pair]:
    for (one, other), both in zip(twos, fall, strict=True):
        yield Pair((one.item_id, other.item_id), float(both) - one.contribution - other.contribution)
