"""Check a fact against the rest of its evidence: items, contributions, ranks, counts."""

from __future__ import annotations

from llmrec.data.columns import TITLE
from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import LEAST_PEOPLE, attributes, comparable
from llmrec.reasons.habits import written_price
from llmrec.reasons.links import PREQUEL, SEQUEL
from llmrec.reasons.numbered import follows
from llmrec.reasons.title_runs import spaced


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
    if fact.kind in ("same", "kin", "mix", "era"):
        return bool(others) and all(_has(item, fact) for item in (evidence.item, *others))
    if fact.kind in ("taste", "streak", "lately"):
        return 0 < fact.count <= fact.of and _has(evidence.item, fact)
    if fact.kind == "popular":
        return LEAST_PEOPLE <= fact.count <= fact.of
    if fact.kind == "price":
        return _costs_so_much(fact, evidence.item)
    if fact.kind == "rhythm":
        return fact.count > 1 and fact.of > 0
    if fact.kind in ("either", "rank_two", "only"):
        return bool(others) and _holds_of_several(fact, evidence)
    return len(others) == 1 and _holds_of_one(fact, evidence, others[0])


def _costs_so_much(fact: Fact, item: Item) -> bool:
    """Whether the price lies where about half of the choices do, and is that of the catalog, where it has one."""
    price, low, high = (float(value.replace(",", "")) for value in fact.values)
    listed = item.metadata.get("price")
    in_half = low <= price <= high and fact.of - 1 <= 2 * fact.count <= 2 * fact.of
    return in_half and (not isinstance(listed, float) or written_price(listed) == fact.values[0])


def _holds_of_several(fact: Fact, evidence: Evidence) -> bool:
    if fact.kind == "either":
        return len(fact.item_ids) > 1 and LEAST_PEOPLE <= fact.count <= fact.of
    if fact.kind == "rank_two":
        known = {frozenset(pair.item_ids): pair.rank_without for pair in evidence.pairs}
        without = known.get(frozenset(fact.item_ids), 0)
        return (fact.count, fact.of) == (evidence.rank, without) and 0 < fact.count < fact.of
    strongest = tuple(one.item_id for one in evidence.cited[: fact.count])
    if fact.item_ids != strongest or fact.of != evidence.n_choices or not fact.of:
        return False
    if fact.name == "hardly":
        return len(evidence.cited) > fact.count and evidence.weight(fact.count) == "none"
    return evidence.n_helping == fact.count


def _holds_of_one(fact: Fact, evidence: Evidence, other: Item) -> bool:
    item = evidence.item
    if fact.kind == "rank":
        without = next(one.rank_without for one in evidence.cited if one.item_id == other.item_id)
        return (fact.count, fact.of) == (evidence.rank, without) and 0 < fact.count < fact.of
    if fact.kind == "sequel":
        return (SEQUEL, item.title) in attributes(other) or follows(item.title, other.title)
    if fact.kind == "prequel":
        return (PREQUEL, item.title) in attributes(other) or follows(other.title, item.title)
    if fact.kind == "words":
        return all(f" {fact.values[0].lower()} " in spaced(one.title) for one in (item, other))
    if fact.kind == "link":
        head, tail = (item, other) if fact.values[0] == item.title else (other, item)
        return fact.values == (head.title, tail.title) and (fact.name, tail.title) in attributes(head)
    if fact.kind == "together":
        known = [one for one in evidence.together if one.item_id == other.item_id]
        return fact.count >= LEAST_PEOPLE and all((one.both, one.chose) == (fact.count, fact.of) for one in known)
    return fact.kind == "latest" or fact.count >= LEAST_PEOPLE


def _has(item: Item, fact: Fact) -> bool:
    if fact.name == TITLE:
        return all(f" {value.lower()} " in spaced(item.title) for value in fact.values)
    pairs = set(comparable(item))
    if fact.kind == "era":
        return {("genres", fact.values[0]), ("decade", fact.values[1])} <= pairs
    return all((fact.name, value) in pairs or fact.name == "price band" for value in fact.values)
