"""Check a fact against the rest of its evidence: items, contributions, ranks, counts."""

from __future__ import annotations

from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import LEAST_PEOPLE, attributes, decade_of
from llmrec.reasons.names import full_name, title_words
from llmrec.reasons.numbered import follows


def holds(fact: Fact, evidence: Evidence) -> bool:
    """Whether a fact agrees with its evidence, as far as that can say.

    Attributes, titles and links are read from the items again, ranks from the deletions, counts of people from
    ``together``, where it has them. Of a history's share of an attribute the item must have the attribute; the
    counts of histories are those of who gathered them.
    """
    cited = {one.item_id: one for one in evidence.cited if one.item_id != evidence.item.item_id}
    if any(item not in cited for item in fact.item_ids):
        return False
    others: list[Item] = [cited[item] for item in fact.item_ids]
    if fact.kind in ("same", "mix", "era"):
        return bool(others) and all(_has(item, fact) for item in (evidence.item, *others))
    if fact.kind in ("taste", "streak"):
        return 0 < fact.count <= fact.of and _has(evidence.item, fact)
    if fact.kind == "popular":
        return LEAST_PEOPLE <= fact.count <= fact.of
    return len(others) == 1 and _holds_of_one(fact, evidence, others[0])


def _holds_of_one(fact: Fact, evidence: Evidence, other: Item) -> bool:
    item = evidence.item
    if fact.kind == "rank":
        without = next(one.rank_without for one in evidence.cited if one.item_id == other.item_id)
        return (fact.count, fact.of) == (evidence.rank, without) and 0 < fact.count < fact.of
    if fact.kind == "sequel":
        return follows(item.title, other.title)
    if fact.kind == "prequel":
        return follows(other.title, item.title)
    if fact.kind == "words":
        phrase = f" {fact.values[0].lower()} "
        return all(phrase in f" {_plain(one.title)} " for one in (item, other))
    if fact.kind == "link":
        head, tail = (item, other) if fact.values[0] == item.title else (other, item)
        return fact.values == (head.title, tail.title) and (fact.name, tail.title) in attributes(head)
    if fact.kind == "together":
        known = [one for one in evidence.together if one.item_id == other.item_id]
        return fact.count >= LEAST_PEOPLE and all((one.both, one.chose) == (fact.count, fact.of) for one in known)
    return fact.kind == "latest" or fact.count >= LEAST_PEOPLE


def _has(item: Item, fact: Fact) -> bool:
    pairs = {*attributes(item), ("decade", decade_of(item))}
    if fact.kind == "era":
        return {("genres", fact.values[0]), ("decade", fact.values[1])} <= pairs
    return all((fact.name, value) in pairs or fact.name == "price band" for value in fact.values)


def _plain(title: str) -> str:
    return " ".join(title_words(full_name(title))).lower()
