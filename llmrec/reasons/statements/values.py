"""The forms in which people write a value of a catalog: "science fiction" for Sci-Fi, "comedies" for Comedy."""

from __future__ import annotations

import re

from llmrec.reasons.statements.grammar import Grammar

# What a value of these columns is can be told of many: "two comedies".
_COUNTABLE = frozenset(("genres", "category", "categories"))
_LAST_WORD = re.compile(r"(?<![\w'’])[a-z]{4,}$")


def value_forms(column: str, value: str, grammar: Grammar) -> set[str]:
    """Return how a value, in lower case, may be written: as it is, by its other names, one or many of it."""
    forms = {value, *grammar.values.get(value, ())}
    if grammar.gap and column in _COUNTABLE:
        forms |= {_LAST_WORD.sub(lambda word: number_of(word.group()), form) for form in set(forms)}
    return forms


def number_of(word: str) -> str:
    """Return the plural of a word, or the singular of a plural.

    >>> number_of("comedy"), number_of("accessories"), number_of("films"), number_of("glass")
    ('comedies', 'accessory', 'film', 'glasses')
    """
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    if word.endswith(("ss", "x", "ch", "sh")):
        return f"{word}es"
    return word[:-1] if word.endswith("s") else f"{word}s"
