"""A history as what its choices have in common: how much of it has an attribute, or a word of a title."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Int64s
from llmrec.data import Catalog, Histories
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.event_days import MONTH, days_of
from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.fact import Fact, FactKind
from llmrec.reasons.facts import comparable
from llmrec.reasons.names import are_choices
from llmrec.reasons.shares import Shares
from llmrec.reasons.title_runs import runs_of, spaced

# From how many times the usual on a share is worth telling.
LEAST_TIMES = 1.5
_STREAK, _LEAST_COUNT = 5, 3
# Less than a fifth of a history, or of its last month, is no taste.
_LEAST_OF_HISTORY = 0.2
_LEAST_WORD_BITS, _LEAST_TITLES = 2.0, 2


@dataclass(frozen=True)
class PastChoice:
    """An item of a history: its attributes, its title as words in small letters, when it was last chosen."""

    item_id: str
    pairs: frozenset[tuple[str, str]]
    words: str
    day: int


@dataclass(frozen=True)
class Taste:
    """A history's distinct choices, newest first. ``has_times``: whether their days are known."""

    choices: tuple[PastChoice, ...]
    counts: Counter[tuple[str, str]]
    has_times: bool

    @classmethod
    def of(cls, histories: Histories, row: int, catalog: Catalog) -> Taste:
        """Read one history; what was sent back or disliked is no choice."""
        events = histories.events_of(row)
        positive = positives_of(events)
        items = events[ITEM].filter(positive).to_list()
        times = days_of(events)
        days: Int64s = np.zeros(len(items), dtype=np.int64) if times is None else times[positive.to_numpy()]
        newest = dict(zip(items, days.tolist(), strict=True))
        distinct = list(dict.fromkeys(reversed(items)))
        codes = catalog.codes(distinct)
        known = [
            _choice(catalog, item, int(code), newest[item])
            for item, code in zip(distinct, codes, strict=True)
            if code >= 0
        ]
        bought = are_choices([one.words for one in known])
        choices = tuple(one for one, is_one in zip(known, bought, strict=True) if is_one)
        return cls(choices, Counter(pair for one in choices for pair in one.pairs), times is not None)

    def facts(self, one: Evidence, shares: Shares) -> Iterator[Fact]:
        """Yield the newest choice, and what the item has that the history has more than the catalog."""
        if not self.choices:
            return
        newest = self.choices[0].item_id
        if any(other.item_id == newest for other in one.cited) and newest != one.item.item_id:
            yield Fact("latest", (newest,))
        for name, value in comparable(one.item):
            if not (shares.is_named(name) and shares.is_informative(name)):
                continue
            share = shares.count(name, [value]) / shares.n_items
            yield from self._attribute(name, value, share)
        yield from self._title(one, shares)

    def _attribute(self, name: str, value: str, share: float) -> Iterator[Fact]:
        """Yield how many of all choices, of the last ones and of the last month have a value."""
        if not share:
            return
        count, of = self.counts[name, value], len(self.choices)
        least = max(LEAST_TIMES * share, _LEAST_OF_HISTORY) * of
        if of >= 2 * _STREAK and count >= max(_LEAST_COUNT, least):
            yield _of_history("taste", name, value, count, of, share)
        last = self.choices[:_STREAK]
        recent = sum((name, value) in one.pairs for one in last)
        if len(last) == _STREAK and recent >= max(_LEAST_COUNT, 2 * share * _STREAK):
            yield _of_history("streak", name, value, recent, _STREAK, share)
        month = self._last_month()
        recent = sum((name, value) in one.pairs for one in month)
        least = max(2 * share, _LEAST_OF_HISTORY) * len(month)
        if len(month) > _STREAK and recent >= max(_LEAST_COUNT, least):
            yield _of_history("lately", name, value, recent, len(month), share)

    def _last_month(self) -> list[PastChoice]:
        """Return the choices of the 30 days up to the newest, where the history is more than twice as long."""
        days = [one.day for one in self.choices]
        if not self.has_times or max(days) - min(days) < 2 * MONTH:
            return []
        return [one for one in self.choices if one.day > max(days) - MONTH]

    def _title(self, one: Evidence, shares: Shares) -> Iterator[Fact]:
        """Yield the words of the item's title that most tell it from the catalog and that many choices have."""
        others = [choice.words for choice in self.choices]
        best, most = None, (_LEAST_WORD_BITS, 0)
        if len(others) < _STREAK or any(choice.item_id == one.item.item_id for choice in self.choices):
            return
        for run, written in runs_of(one.item.title, single=not shares.has_attributes).items():
            phrase = f" {' '.join(run)} "
            count = sum(phrase in words for words in others)
            if count < max(_LEAST_COUNT, _LEAST_OF_HISTORY * len(others)):
                continue
            n_titles = shares.n_titles_with(phrase.strip())
            if n_titles < _LEAST_TITLES:
                continue
            fact = _of_history("taste", TITLE, written, count, len(others), n_titles / shares.n_items)
            if (fact.bits, len(run)) > most:
                best, most = fact, (fact.bits, len(run))
        if best is not None:
            yield best


def _of_history(kind: FactKind, name: str, value: str, count: int, of: int, share: float) -> Fact:
    times = count / of / share
    return Fact(kind, (), name, (value,), count, of, times, math.log2(times))


def _choice(catalog: Catalog, item: str, code: int, day: int) -> PastChoice:
    one = Item.of(catalog, code)
    return PastChoice(item, frozenset(comparable(one)), spaced(one.title), day)
