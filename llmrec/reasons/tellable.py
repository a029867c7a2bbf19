"""What is worth telling of a recommendation: every fact that evidence, catalog and people hold, with its bits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from llmrec.data import Catalog, Histories
from llmrec.models.ranker import Ranker
from llmrec.reasons.crowd import Crowd
from llmrec.reasons.evidence import Cited, Evidence
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import LEAST_PEOPLE, attributes, comparable
from llmrec.reasons.habits import chosen_again, typical_price
from llmrec.reasons.links import PREQUEL, SEQUEL, links
from llmrec.reasons.numbered import follows
from llmrec.reasons.phrases import FAR
from llmrec.reasons.shares import Shares
from llmrec.reasons.taste import LEAST_TIMES, Taste
from llmrec.reasons.title_runs import runs_of, spaced

# A fall in rank is told where the item stands half as low again, and two lower, without the cited one.
LEAST_FALL, LEAST_RANKS = 1.5, 2
# More numbers than this are those of a list, not of a series.
_MOST_NUMBERED = 15
_LEAST_POPULAR = 0.25
_LEAST_SHARED, _LEAST_WORD_BITS, _OF_ONE_WORD = 2, 4.0, 2.5
_LEAST_CHOICES = 3


def add_tellable(evidence: Sequence[Evidence], model: Ranker, histories: Histories) -> list[Evidence]:
    """Return the evidence with its ``facts``: attributes in common, people, ranks, habits of the history.

    ``histories``: those that the evidence is of. People are those of ``model.histories``.
    """
    catalog = model.catalog
    crowd, shares = Crowd.of(model.histories, catalog), Shares.of(catalog)
    crowd.find(catalog.code(item.item_id) for one in evidence for item in (one.item, *one.cited))
    histories_of = {user: n for n, user in enumerate(histories.user_ids)}
    tastes: dict[str, Taste] = {}
    result = []
    for one in evidence:
        user = one.user_id
        if user not in tastes:
            tastes[user] = Taste.of(histories, histories_of[user], catalog)
        taste, code = tastes[user], catalog.code(one.item.item_id)
        chosen = [catalog.code(choice.item_id) for choice in taste.choices]
        gathered = (
            *_attributes(one, shares),
            *_titles(one, shares),
            *links(one, catalog),
            *_people(one, crowd, catalog),
            *_ranks(one, most=None if len(chosen) > 1 else FAR),
            *_only(one),
            *taste.facts(one, shares),
            *typical_price(code, chosen, crowd),
            *chosen_again(one, code, histories.events_of(histories_of[user]), crowd),
        )
        result.append(replace(one, facts=gathered))
    return result


def _attributes(one: Evidence, shares: Shares) -> Iterator[Fact]:
    having = {pair: ids for pair, ids in _holders(one).items() if shares.is_informative(pair[0])}
    for (name, value), ids in having.items():
        count = shares.count(name, [value])
        if count >= _LEAST_SHARED:
            yield Fact("same" if shares.is_named(name) else "kin", ids, name, (value,), bits=shares.bits(count))
    for name in filter(shares.is_named, dict.fromkeys(name for name, _ in having)):
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
    """Return which cited items share each attribute of the recommended one."""
    others = [(other.item_id, set(comparable(other))) for other in _others(one)]
    pairs = {
        pair: tuple(item for item, theirs in others if pair in theirs)
        for pair in dict.fromkeys(comparable(one.item))
    }
    return {pair: ids for pair, ids in pairs.items() if ids}


def _others(one: Evidence) -> list[Cited]:
    """Return the cited items that are not the recommended one, nor called as it is."""
    mine = one.item
    return [other for other in one.cited if other.item_id != mine.item_id and other.title != (mine.title or None)]


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
    runs = runs_of(one.item.title, single=not shares.has_attributes)
    for other in _others(one):
        if (SEQUEL, one.item.title) in attributes(other) or _in_series(one.item.title, other.title, shares):
            yield Fact("sequel", (other.item_id,), bits=shares.bits(1))
        elif (PREQUEL, one.item.title) in attributes(other) or _in_series(other.title, one.item.title, shares):
            yield Fact("prequel", (other.item_id,), bits=shares.bits(1))
        phrase = _common_words(runs, spaced(other.title), shares)
        if phrase:
            bits = shares.bits(shares.n_titles_with(phrase.lower()))
            yield Fact("words", (other.item_id,), "title", (phrase,), bits=bits)


def _in_series(title: str, other: str, shares: Shares) -> bool:
    return follows(title, other) and shares.n_numbered(title) <= _MOST_NUMBERED


def _common_words(runs: dict[tuple[str, ...], str], other: str, shares: Shares) -> str:
    """Return the run of words that tells most of those that another title has, too, or nothing."""
    best, most = "", (-math.inf, 0)
    for run, written in runs.items():
        phrase = " ".join(run)
        if f" {phrase} " not in other:
            continue
        count = shares.n_titles_with(phrase)
        bits = shares.bits(count) if count >= _LEAST_SHARED else 0.0
        # A word alone tells less than its bits say.
        worth = bits - _OF_ONE_WORD * (len(run) == 1)
        if worth >= _LEAST_WORD_BITS and (worth, len(run)) > most:
            best, most = written, (worth, len(run))
    return best


def _people(one: Evidence, crowd: Crowd, catalog: Catalog) -> Iterator[Fact]:
    code = catalog.code(one.item.item_id)
    for other in _others(one):
        both, chose, times = crowd.together(code, catalog.code(other.item_id))
        if both >= LEAST_PEOPLE and times >= LEAST_TIMES:
            yield Fact("together", (other.item_id,), count=both, of=chose, times=times, bits=math.log2(times))
        after, times = crowd.next_after(code, catalog.code(other.item_id))
        if after >= LEAST_PEOPLE and times >= LEAST_TIMES:
            yield Fact("next", (other.item_id,), count=after, times=times, bits=math.log2(times))
    yield from _either(one, code, crowd, catalog)
    chosen = len(crowd.who(code))
    if chosen >= LEAST_PEOPLE and (not one.cited or chosen >= _LEAST_POPULAR * crowd.n_people):
        bits = math.log2(crowd.n_people / chosen)
        yield Fact("popular", count=chosen, of=crowd.n_people, bits=bits)


def _either(one: Evidence, code: int, crowd: Crowd, catalog: Catalog) -> Iterator[Fact]:
    """Yield people of several choices, where of each alone there are too few to be spoken of."""
    others = [other.item_id for other in _others(one)]
    codes = {item: catalog.code(item) for item in others}
    for some in combinations(others, 2):
        alone = max(crowd.together(code, codes[item])[0] for item in some)
        both, chose, times = crowd.together(code, *(codes[item] for item in some))
        if alone < LEAST_PEOPLE <= both and times >= LEAST_TIMES:
            yield Fact("either", some, count=both, of=chose, times=times, bits=math.log2(times))


def _ranks(one: Evidence, *, most: int | None) -> Iterator[Fact]:
    """Yield falls in rank, down to rank ``most``: without its only choice a history is empty, all then is far."""
    if one.rival is not None or not one.rank:
        return
    least = max(LEAST_FALL * one.rank, one.rank + LEAST_RANKS)
    for other in one.cited:
        without = other.rank_without
        if least <= without and (most is None or without <= most):
            yield Fact("rank", (other.item_id,), count=one.rank, of=without, bits=math.log2(without / one.rank))
    alone = {other.item_id: other.rank_without for other in one.cited}
    for pair in one.pairs:
        without = pair.rank_without
        # Told where neither of the two alone explains as much.
        if without >= max(least, LEAST_FALL * max(alone[item] for item in pair.item_ids)):
            yield Fact("rank_two", pair.item_ids, count=one.rank, of=without, bits=math.log2(without / one.rank))


def _only(one: Evidence) -> Iterator[Fact]:
    """Yield that nothing else among at least three choices speaks for an item, or hardly anything does."""
    if one.rival is not None or one.n_choices < _LEAST_CHOICES or one.chosen_earlier:
        return
    for n in (1, 2):
        ids = tuple(other.item_id for other in one.cited[:n])
        hardly = len(one.cited) > n and one.weight(n) == "none" != one.weight(n - 1)
        if len(ids) == n < one.n_choices - 1 and (one.n_helping == n or hardly):
            name = "hardly" if one.n_helping > n else ""
            yield Fact("only", ids, name, count=n, of=one.n_choices, bits=math.log2(one.n_choices / n))
