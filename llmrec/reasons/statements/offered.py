"""Phrases of the grammar as a writer is shown them: "(because | since) PREMISE", "you [already] chose CHOSEN"."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Set
from dataclasses import dataclass

from llmrec.reasons.statements.grammar import Grammar, Rule, phrase_tokens

# No more are shown of alternatives, of those of what may be left out, and of what may be left out in a phrase.
_MOST_ALTERNATIVES, _MOST_TO_LEAVE_OUT, _MOST_OPTIONAL = 5, 2, 2
_CLOSING = {"(": ")", "[": "]"}
_NO_GAP_BEFORE = frozenset(",;:.")


@dataclass(frozen=True)
class _Choice:
    """One of several: what a phrase has in brackets, square ones for what may be left out."""

    options: tuple[tuple[str | _Choice, ...], ...]
    optional: bool


class OfferedPhrases:
    """The phrases that may be said of one suggestion; what they speak of stands in them by its label.

    ``claims``: what is true of it; a phrase that claims anything else is left out. ``columns``: the catalog's, for
    "bought" or "watched". The same ``key`` gets the same phrases.

    >>> from llmrec.reasons.statements.grammar import grammar_of
    >>> phrases = OfferedPhrases(grammar_of("en"), {"suggested", "chosen", "plain"}, {"price"}, key="1")
    >>> phrases.of("reason")[0]
    'after choosing CHOSEN'
    """

    def __init__(self, grammar: Grammar, claims: Set[str], columns: Set[str], *, key: str) -> None:
        self._grammar, self._claims, self._key = grammar, claims, key
        # "bought" is read where "chose" is.
        self._says: dict[str, list[str]] = {}
        for kind in grammar.kinds_of(columns):
            for phrase, said in kind.says.items():
                self._says.setdefault(said, []).append(phrase)

    def of(self, *makes: str) -> list[str]:
        """Return the phrases that make one of ``makes``, in an order of this key."""
        offered = [rule for rules in self._grammar.phases for rule in rules if rule.offered and rule.make in makes]
        shown = {rule.text: self._shown(rule) for rule in offered if self._is_true(rule)}
        return [shown[text] for text in sorted(shown, key=self._chance) if shown[text]]

    def _is_true(self, rule: Rule) -> bool:
        """Whether a phrase claims nothing else; against a rival a suggestion must say what it is rather than."""
        needed = {"rather"} & self._claims if rule.make == "suggestion" else set()
        return set(rule.claims) <= self._claims and needed.issubset(rule.claims)

    def _shown(self, rule: Rule) -> str:
        """Write a phrase; nothing where it speaks of what has no label."""
        tree = _parsed(iter(phrase_tokens(rule.text)), "").options[0]
        leaves = [part for part in tree if isinstance(part, _Choice) and part.optional and _is_flat(part)]
        visible = sorted(leaves, key=lambda part: self._chance(str(part)))[:_MOST_OPTIONAL]
        parts = [self._part(part, rule, visible) for part in tree]
        return "" if None in parts else self._joined(part for part in parts if part)

    def _part(self, part: str | _Choice, rule: Rule, visible: list[_Choice]) -> str | None:
        if isinstance(part, str):
            return self._label(part, rule) if part.startswith("{") else part
        if part.optional and part not in visible:
            return ""
        # What has alternatives of its own is shown only where nothing simpler is.
        simple = [option for option in part.options if not any(isinstance(one, _Choice) for one in option)]
        options = [self._option(option, rule) for option in simple or part.options]
        known = [option for option in options if option]
        also = [phrase for option in known for phrase in self._says.get(option, ())]
        if part.optional and any(map(str.isalnum, "".join(known))):
            some = {*also, *known[:_MOST_TO_LEAVE_OUT]}
        else:
            room = max(1, _MOST_ALTERNATIVES - len(also))
            some = {*also, *sorted(dict.fromkeys(known), key=self._chance)[:room]}
        listed = " | ".join(one for one in dict.fromkeys((*also, *known)) if one in some)
        if part.optional:
            return f"[{listed}]"
        return f"({listed})" if len(some) > 1 else listed or None

    def _option(self, option: tuple[str | _Choice, ...], rule: Rule) -> str | None:
        """Write an alternative without what it may leave out."""
        parts = [self._part(part, rule, []) for part in option]
        return None if None in parts else self._joined(part for part in parts if part)

    def _label(self, argument: str, rule: Rule) -> str | None:
        sort, _, name = argument.strip("{}").partition(":")
        if sort == "title":
            sort = name or ("item" if rule.make == "suggestion" else "title")
        return self._grammar.labels.get(sort)

    def _joined(self, parts: Iterator[str]) -> str:
        gap, text = self._grammar.gap, ""
        for part in parts:
            text += part if not text or part[0] in _NO_GAP_BEFORE else gap + part
        return text

    def _chance(self, text: str) -> int:
        return zlib.crc32(f"{self._key}|{text}".encode())


def _is_flat(part: _Choice) -> bool:
    return not any(isinstance(one, _Choice) for option in part.options for one in option)


def _parsed(tokens: Iterator[str], closing: str) -> _Choice:
    """Read a phrase, or what stands between two brackets of it, as its alternatives."""
    options: list[list[str | _Choice]] = [[]]
    for token in tokens:
        if token == closing:
            break
        if token == "|":
            options.append([])
        else:
            options[-1].append(_parsed(tokens, _CLOSING[token]) if token in _CLOSING else token)
    return _Choice(tuple(one for option in options for one in _unwrapped(option)), closing == "]")


def _unwrapped(option: list[str | _Choice]) -> tuple[tuple[str | _Choice, ...], ...]:
    """Return the alternatives of an option that is nothing but alternatives, else the option."""
    only = option[0] if len(option) == 1 else None
    return only.options if isinstance(only, _Choice) and not only.optional else (tuple(option),)
