"""Ranks that a reason may tell: only those of the list that it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmrec.reasons.evidence import Evidence

_OF_RANKS = frozenset(("rank", "rank_two"))


def as_listed(evidence: Sequence[Evidence], ranks: Sequence[int]) -> list[Evidence]:
    """Return the evidence without facts of ranks where a list, by its ``ranks``, is not the model's ranking.

    A filter, diversity or candidates make another: evidence ranks all items, and of "number 7 on your list" the
    list would say that it is number 1. One such item is enough for all of a user's.
    """
    others = {one.user_id for one, rank in zip(evidence, ranks, strict=True) if rank != one.rank}
    return [
        replace(one, facts=tuple(fact for fact in one.facts if fact.kind not in _OF_RANKS))
        if one.user_id in others
        else one
        for one in evidence
    ]
