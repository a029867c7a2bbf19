"""Headings that reasons of a list can stand under: what several of them have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmrec.prompting import Language
from llmrec.reasons.clauses import Clause, Clauses
from llmrec.reasons.phrases import Phrases

# What tells less makes no heading.
_LEAST_BITS = 4.0
# A heading stands over so many reasons at least.
_LEAST_UNDER = 2


def possible_themes(clauses: Clauses, opening: Clause, endings: Sequence[Clause]) -> tuple[str, ...]:
    """Return the headings that a reason could stand under, rare attributes first, the choice named last."""
    phrases = clauses.phrases
    facts = [one.fact for one in (opening, *endings) if one.fact is not None]
    telling = [fact for fact in facts if phrases.key_of(fact) in phrases.themes and fact.bits >= _LEAST_BITS]
    ordered = sorted(telling, key=lambda fact: -fact.bits)
    names = [phrases.themes[phrases.key_of(fact)].format_map(phrases.values_of(fact, 2)) for fact in ordered]
    if opening.named:
        return (*names, phrases.themes["choice"].format(a=clauses.names[opening.named[0]]))
    return (*names, phrases.themes["general"])


def settled(possible: Sequence[tuple[str, ...]]) -> list[str]:
    """Choose one heading for each reason of a list: an attribute or choice that several share, if there is one.

    Attributes come before choices, what more reasons share before what fewer do; what none shares is the first.
    """
    chosen: dict[int, str] = {}
    for is_choice in (False, True):
        while True:
            left = Counter(
                name
                for n, names in enumerate(possible)
                if n not in chosen
                for name in set(names[-1:] if is_choice else names[:-1])
            )
            # Of equally many the one that stands first in the list.
            name, count = max(
                left.items(), key=lambda pair: (pair[1], -_first(possible, pair[0])), default=("", 0)
            )
            if count < _LEAST_UNDER:
                break
            chosen |= {n: name for n, names in enumerate(possible) if n not in chosen and name in names}
    return [chosen.get(n, names[0] if names else "") for n, names in enumerate(possible)]


def sections(themes: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Group a list by its headings: each with the positions under it, in order; what stands alone comes last.

    The heading of the last section is empty.
    """
    counts = Counter(themes)
    headings = [name for name in dict.fromkeys(themes) if name and counts[name] >= _LEAST_UNDER]
    under = [(name, [n for n, theme in enumerate(themes) if theme == name]) for name in headings]
    alone = [n for n, theme in enumerate(themes) if theme not in headings]
    return [*under, *([("", alone)] if alone else [])]


def headed(themes: Sequence[str], language: Language) -> list[tuple[str, list[int]]]:
    """Group a list as ``sections`` does; what stands alone has a heading, too, where anything else has one."""
    parts = sections(themes)
    if len(parts) < 2:
        return parts
    return [(name or Phrases.load(language).themes["others"], positions) for name, positions in parts]


def _first(possible: Sequence[tuple[str, ...]], name: str) -> int:
    return next(n for n, names in enumerate(possible) if name in names)
