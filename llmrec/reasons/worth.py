"""What a fact is worth telling beside its bits, and what makes two of a list the same to who reads it."""

from __future__ import annotations

from llmrec.reasons.fact import Fact
from llmrec.reasons.phrases import FAR, is_far

# By kind: (base, of each bit, at most).
_WORTH: dict[str, tuple[float, float, float]] = {
    "same": (0.5, 1.0, 10.0),
    "kin": (0.3, 0.9, 9.0),
    "mix": (0.0, 1.0, 8.0),
    "era": (0.0, 0.9, 8.0),
    "words": (0.5, 0.8, 9.0),
    "sequel": (12.0, 0.0, 12.0),
    "prequel": (11.0, 0.0, 11.0),
    "link": (10.0, 0.0, 10.0),
    "together": (2.2, 1.2, 7.0),
    "either": (2.0, 1.1, 6.5),
    "next": (0.8, 0.8, 5.5),
    "rank": (2.2, 0.8, 6.5),
    "rank_two": (2.0, 0.8, 6.0),
    "only": (1.5, 0.6, 3.5),
    "taste": (1.0, 1.2, 6.0),
    "streak": (2.0, 0.9, 6.0),
    "lately": (2.0, 0.9, 6.0),
    "popular": (0.3, 0.0, 0.3),
    "latest": (1.0, 0.0, 1.0),
    "price": (0.8, 1.0, 4.5),
    "rhythm": (3.0, 0.8, 7.0),
}
# A year is less of a reason than its bits say.
_LESS = {"year": 0.6, "decade": 0.6, "price band": 0.4}
# What half of the catalog has is nothing in common.
_COMMON = 3.0
# Of these the same words stand in a list again: the number is not new each time.
_SAID_ONCE = frozenset(("only", "price"))


def worth_of(fact: Fact) -> float:
    """Return what a fact is worth by its kind and bits."""
    base, each, most = _WORTH[fact.kind]
    worth = min(base + each * fact.bits, most) * _LESS.get(fact.name, 1.0)
    return worth - _COMMON * (fact.kind == "same" and fact.bits < 1)


def signature(fact: Fact) -> tuple[object, ...]:
    """Return what makes two facts of a list the same to a reader."""
    if is_far(fact):
        return "rank", FAR
    if fact.kind in _SAID_ONCE:
        return (fact.kind,)
    return (fact.kind, fact.name, *fact.values) if fact.values else (fact.kind, fact.item_ids)


def says_the_same(fact: Fact) -> bool:
    """Whether a fact of the same signature reads as said before: of a count or a rank the number is new."""
    return bool(fact.values) or is_far(fact) or fact.kind in _SAID_ONCE
