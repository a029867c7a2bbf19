"""Phrases that are read, as a writer is shown them: "(because | since) PREMISE", "you (chose | bought) CHOSEN"."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence, Set

from llmrec.reasons.statements.grammar import Grammar, Offer

# No more are shown of alternatives, of those of what may be left out, and of what may be left out in a phrase.
_MOST_ALTERNATIVES, _MOST_TO_LEAVE_OUT, _MOST_OPTIONAL = 5, 2, 2
_ALTERNATIVES, _OPTIONAL = re.compile(r"\(([^()]*)\)"), re.compile(r" ?\[([^\[\]]*)\]")


class OfferedPhrases:
    """The phrases that may be said of one suggestion; what they speak of stands in them by its label.

    ``so``: what is so of it; a phrase that needs anything else is left out. ``columns``: the catalog's, for
    "bought" or "watched". The same ``key`` gets the same phrases.

    >>> from llmrec.reasons.statements.grammar import grammar_of
    >>> phrases = OfferedPhrases(grammar_of("en"), {"one"}, {"price"}, key="1")
    >>> "after CHOSEN" in phrases.of("reason")
    True
    """

    def __init__(self, grammar: Grammar, so: Set[str], columns: Set[str], *, key: str) -> None:
        self._grammar, self._so, self._key = grammar, so, key
        self._says: dict[str, list[str]] = {}
        for kind in grammar.kinds_of(columns):
            for of_grammar, said in kind.shown.items():
                self._says.setdefault(of_grammar, []).extend(said)

    def of(self, make: str) -> list[str]:
        """Return the phrases that make this, in an order of this key."""
        offers = [one.text for one in self._grammar.offers if one.make == make and self._is_true(one)]
        return [self._shown(text) for text in sorted(offers, key=self._chance)]

    def _is_true(self, offer: Offer) -> bool:
        """Whether all that it needs is so; against a rival a suggestion must say what it is rather than."""
        needed = {"rather"} & self._so if offer.make == "suggestion" else set()
        return needed <= offer.when <= self._so

    def _shown(self, text: str) -> str:
        """Write a phrase with a few of its alternatives and of what it may leave out."""
        optional = sorted(_OPTIONAL.findall(text), key=self._chance)[:_MOST_OPTIONAL]

        def leave_out(match: re.Match[str]) -> str:
            some = self._some(match[1], _MOST_TO_LEAVE_OUT)
            return f"{match[0][: match[0].index('[')]}[{' | '.join(some)}]" if match[1] in optional else ""

        def choose(match: re.Match[str]) -> str:
            some = self._some(match[1], _MOST_ALTERNATIVES)
            return f"({' | '.join(some)})" if len(some) > 1 else some[0]

        return _ALTERNATIVES.sub(choose, _OPTIONAL.sub(leave_out, text))

    def _some(self, alternatives: str, most: int) -> Sequence[str]:
        """Return some alternatives, those that only such a catalog has in any case."""
        listed = [one.strip() for one in alternatives.split("|")]
        of_catalog = [said for one in listed for said in self._says.get(one, ())]
        others = sorted(listed, key=self._chance)[: max(1, most - len(of_catalog))]
        return [one for one in dict.fromkeys([*of_catalog, *listed]) if one in of_catalog or one in others]

    def _chance(self, text: str) -> int:
        return chance(self._key, text)


def chance(key: str, text: str) -> int:
    """Return a number to sort a text by: the same for the same key, another order for another."""
    return zlib.crc32(f"{key}|{text}".encode())
