"""What is worth telling of a recommendation: every fact that evidence, catalog and people hold, with its bits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from llmrec.data import Catalog, Histories
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM
from llmrec.models.ranker import Ranker
from llmrec.reasons.crowd import Crowd
from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import LEAST_PEOPLE, attributes, decade_of
from llmrec.reasons.names import full_name, title_words
from llmrec.reasons.numbered import follows
from llmrec.reasons.phrases import FAR
from llmrec.reasons.shares import Shares

# From how many times the usual on a count is worth telling.
LEAST_TIMES = 1.5
# A fall in rank is told where the item stands half as low again, and two lower, without the cited one.
LEAST_FALL, LEAST_RANKS = 1.5, 2
_STREAK = 5
# More numbers than this are those of a list, not of a series.
_MOST_NUMBERED = 15
_LEAST_POPULAR = 0.25
# Less than a fifth of a history is no taste.
_LEAST_OF_HISTORY = 0.2
_LEAST_SHARED, _LEAST_WORD_BITS, _OF_ONE_WORD, _MOST_WORDS = 2, 4.0, 2.5, 6
# Words that a title holds whatever it is about.
_EMPTY_WORDS = """
a an and at by de for from ii iii in is it la le my new no of on or part set the to vol with you your
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())


def add_tellable(evidence: Sequence[Evidence], model: Ranker, histories: Histories) -> list[Evidence]:
    """Return the evidence with its ``facts``: attributes in common, people, ranks, the history's share of them.

    ``histories``: those that the evidence is of. People are those of ``model.histories``.
    """
    catalog = model.catalog
    crowd, shares = Crowd.of(model.histories, catalog), Shares.of(catalog)
    crowd.find(catalog.code(item.item_id) for one in evidence for item in (one.item, *one.cited))
    histories_of = {user: n for n, user in enumerate(histories.user_ids)}
    tastes: dict[str, _Taste] = {}
    result = []
    for one in evidence:
        user = one.user_id
        if user not in tastes:
            tastes[user] = _Taste.of(histories, histories_of[user], catalog)
        gathered = (
            *_attributes(one, shares),
            *_titles(one, shares),
            *_links(one, catalog),
            *_people(one, crowd, catalog),
            *_ranks(one, most=None if len(tastes[user].choices) > 1 else FAR),
            *tastes[user].facts(one, shares),
        )
        result.append(replace(one, facts=gathered))
    return result


def comparable(item: Item) -> list[tuple[str, str]]:
    """Return ``(column, value)`` for what can be compared between items, the decade included."""
    decade = decade_of(item)
    return [*attributes(item), *([("decade", decade)] if decade else [])]


def _attributes(one: Evidence, shares: Shares) -> Iterator[Fact]:
    having = _holders(one)
    for (name, value), ids in having.items():
        count = shares.count(name, [value])
        if count >= _LEAST_SHARED:
            yield Fact("same", ids, name, (value,), bits=shares.bits(count))
    for name in dict.fromkeys(name for name, _ in having):
        values = [value for column, value in having if column == name]
        yield from _mixes(name, values, having, shares)
    decades = [value for name, value in having if name == "decade"]
    genres = [value for name, value in having if name == "genres"]
    for decade in decades:
        for genre in genres:
            ids = _in_both(having["decade", decade], having["genres", genre])
            count = shares.count_of_both(("genres", genre), ("decade", decade))
            if ids and count >= _LEAST_SHARED:
                yield Fact("era", ids, "genres", (genre, decade), bits=shares.bits(count))


def _holders(one: Evidence) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return which cited items share each attribute of the recommended one; only items other than itself."""
    others = [(other.item_id, set(comparable(other))) for other in one.cited if other.item_id != one.item.item_id]
    pairs = {
        pair: tuple(item for item, theirs in others if pair in theirs)
        for pair in dict.fromkeys(comparable(one.item))
    }
    return {pair: ids for pair, ids in pairs.items() if ids}


def _mixes(
    name: str, values: list[str], having: dict[tuple[str, str], tuple[str, ...]], shares: Shares
) -> Iterator[Fact]:
    for size in (3, 2):
        for some in combinations(values[:6], size):
            ids = having[name, some[0]]
            for value in some[1:]:
                ids = _in_both(ids, having[name, value])
            if ids:
                yield Fact("mix", ids, name, some, bits=shares.bits(shares.count(name, some)))


def _in_both(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(item for item in one if item in other)


def _titles(one: Evidence, shares: Shares) -> Iterator[Fact]:
    words = title_words(full_name(one.item.title))
    for other in one.cited:
        if other.item_id == one.item.item_id or other.title == one.item.title:
            continue
        if _in_series(one.item.title, other.title, shares):
            yield Fact("sequel", (other.item_id,), bits=shares.bits(1))
        elif _in_series(other.title, one.item.title, shares):
            yield Fact("prequel", (other.item_id,), bits=shares.bits(1))
        phrase = _common_words(words, title_words(full_name(other.title)), shares)
        if phrase:
            bits = shares.bits(shares.n_titles_with(phrase.lower()))
            yield Fact("words", (other.item_id,), "title", (phrase,), bits=bits)


def _in_series(title: str, other: str, shares: Shares) -> bool:
    return follows(title, other) and shares.n_numbered(title) <= _MOST_NUMBERED


def _common_words(words: list[str], others: list[str], shares: Shares) -> str:
    """Return the run of words that tells most of those two titles have in common, or nothing.

    One word alone is told only where the catalog has nothing but titles: films named for a man are not alike.
    """
    lower, others = [word.lower() for word in words], [word.lower() for word in others]
    runs = {
        tuple(lower[start:stop]): " ".join(words[start:stop])
        for start in range(len(lower))
        for stop in range(start + 1, min(start + _MOST_WORDS, len(lower)) + 1)
    }
    theirs = {
        tuple(others[a:b]) for a in range(len(others)) for b in range(a + 1, min(a + _MOST_WORDS, len(others)) + 1)
    }
    best, most = "", 0.0
    for run, written in runs.items():
        full = [word for word in run if word not in _EMPTY and len(word) > 2 and not word.isdigit()]
        if run not in theirs or not full or run[0] in _EMPTY or run[-1] in _EMPTY:
            continue
        if (len(full) < 2 and shares.has_attributes) or (len(run) == 1 and len(run[0]) < 4):
            continue
        count = shares.n_titles_with(" ".join(run))
        bits = shares.bits(count) if count >= _LEAST_SHARED else 0.0
        if bits >= _LEAST_WORD_BITS + _OF_ONE_WORD * (len(run) == 1) and (bits, len(run)) > (
            most,
            len(best.split()),
        ):
            best, most = written, bits
    return best


def _links(one: Evidence, catalog: Catalog) -> Iterator[Fact]:
    """Read triples between two items: their tail is a title, in a column named as the relation."""
    bits = math.log2(max(2, len(catalog)))
    for other in one.cited:
        for head, tail in ((one.item, other), (other, one.item)):
            names = [name for name, value in attributes(head) if value == tail.title != head.title]
            if names and catalog.titles.count(tail.title) == 1:
                yield Fact("link", (other.item_id,), names[0], (head.title, tail.title), bits=bits)


def _people(one: Evidence, crowd: Crowd, catalog: Catalog) -> Iterator[Fact]:
    code = catalog.code(one.item.item_id)
    for other in one.cited:
        if other.item_id == one.item.item_id:
            continue
        both, chose, times = crowd.together(code, catalog.code(other.item_id))
        if both >= LEAST_PEOPLE and times >= LEAST_TIMES:
            yield Fact("together", (other.item_id,), count=both, of=chose, times=times, bits=math.log2(times))
        after, times = crowd.next_after(code, catalog.code(other.item_id))
        if after >= LEAST_PEOPLE and times >= LEAST_TIMES:
            yield Fact("next", (other.item_id,), count=after, times=times, bits=math.log2(times))
    chosen = len(crowd.who(code))
    if chosen >= LEAST_PEOPLE and (not one.cited or chosen >= _LEAST_POPULAR * crowd.n_people):
        bits = math.log2(crowd.n_people / chosen)
        yield Fact("popular", count=chosen, of=crowd.n_people, bits=bits)


def _ranks(one: Evidence, *, most: int | None) -> Iterator[Fact]:
    """Yield falls in rank, down to rank ``most``: without its only choice a history is empty, all then is far."""
    if one.rival is not None or not one.rank:
        return
    for other in one.cited:
        without = other.rank_without
        if most is not None and without > most:
            continue
        if without >= max(LEAST_FALL * one.rank, one.rank + LEAST_RANKS):
            yield Fact("rank", (other.item_id,), count=one.rank, of=without, bits=math.log2(without / one.rank))


@dataclass(frozen=True)
class _Taste:
    """A history as what its choices have: distinct items, newest first."""

    choices: tuple[tuple[str, frozenset[tuple[str, str]]], ...]
    counts: Counter[tuple[str, str]]

    @classmethod
    def of(cls, histories: Histories, row: int, catalog: Catalog) -> _Taste:
        start, stop = int(histories.offsets[row]), int(histories.offsets[row + 1])
        events = histories.events[start:stop]
        items = events[ITEM].filter(positives_of(events)).to_list()
        distinct = list(dict.fromkeys(reversed(items)))
        codes = catalog.codes(distinct)
        known = [(item, int(code)) for item, code in zip(distinct, codes, strict=True) if code >= 0]
        choices = tuple((item, frozenset(comparable(Item.of(catalog, code)))) for item, code in known)
        return cls(choices, Counter(pair for _, pairs in choices for pair in pairs))

    def facts(self, one: Evidence, shares: Shares) -> Iterator[Fact]:
        """Yield the newest choice, and the item's attributes that the history has more than the catalog."""
        if not self.choices:
            return
        newest = self.choices[0][0]
        if any(other.item_id == newest for other in one.cited) and newest != one.item.item_id:
            yield Fact("latest", (newest,))
        last = self.choices[:_STREAK]
        for name, value in comparable(one.item):
            share = shares.count(name, [value]) / shares.n_items
            count, of = self.counts[name, value], len(self.choices)
            if (
                share
                and of >= 2 * _STREAK
                and count >= 3
                and count >= max(LEAST_TIMES * share, _LEAST_OF_HISTORY) * of
            ):
                times = count / of / share
                yield Fact("taste", (), name, (value,), count, of, times, math.log2(times))
            recent = sum((name, value) in pairs for _, pairs in last)
            if share and len(last) == _STREAK and recent >= 3 and recent >= 2 * share * _STREAK:
                times = recent / _STREAK / share
                yield Fact("streak", (), name, (value,), recent, _STREAK, times, math.log2(times))
