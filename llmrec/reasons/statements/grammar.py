"""The phrases that a reason may be made of, as data for each language, compiled to patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from llmrec.prompting import Language

# Private-use characters stand for what was read, one range for each sort: no text has them.
_SORTS = (
    *("item", "cited", "again", "rival", "mixed", "single", "several", "value", "number", "column"),
    *("modifier", "predicate", "premise", "suggestion", "statement", "reason", "part"),
)
RANGES = {sort: (0xE100 + n * 0x100, 0xE100 + (n + 1) * 0x100) for n, sort in enumerate(_SORTS)}
# What an argument of a phrase may hold.
_HELD_BY = {
    "title": ("item", "cited", "again", "mixed", "single", "several"),
    "rival": ("rival", "item", "cited", "again"),
    "description": ("modifier", "predicate", "value"),
    **{sort: (sort,) for sort in _SORTS if sort not in ("item", "cited", "again", "mixed", "rival")},
}
_TOKEN = re.compile(
    r"\{(?P<argument>[a-z]+)(?::(?P<name>[a-z]+))?\}|<(?P<macro>[a-z_]+)>|(?P<mark>[\[\]()|*])|(?P<word>[^\s\[\]()|*{}<>]+)"
)

_LETTERS = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


@dataclass(frozen=True)
class Rule:
    """A phrase: what it makes of what it matches, and what that claims. ``needs``: a word that it must hold."""

    make: str
    claims: tuple[str, ...]
    pattern: re.Pattern[str]
    needs: str


@dataclass(frozen=True)
class Grammar:
    """One language's phrases, in the order in which they are tried, and its words."""

    language: Language
    phases: tuple[tuple[Rule, ...], ...]
    words: frozenset[str]
    columns: Mapping[str, tuple[str, ...]]
    nouns: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, str]
    spelled: Mapping[str, str]
    replaced: Mapping[str, str]
    makers: frozenset[str]
    people: frozenset[str]
    owner: str
    shortest: int
    longest: int

    @property
    def gap(self) -> str:
        """What stands after each word: nothing in a language written without spaces."""
        return " " if self.language == "en" else ""


@lru_cache
def grammar_of(language: Language) -> Grammar:
    """Read a language's phrases once."""
    table = yaml.safe_load(Path(__file__).with_name(f"{language}.yaml").read_text(encoding="utf-8"))
    compiler = _Compiler(" " if language == "en" else "", table["words"], table["lists"])
    groups = [table["names"], table["names"] + table["clauses"], table["sentences"]]
    phases = tuple(tuple(compiler.rules(several)) for several in groups)
    words = compiler.seen | {
        word for name in ("columns", "nouns") for several in table[name].values() for word in several
    }
    return Grammar(
        language,
        phases,
        frozenset(
            words | set(table["numbers"]) | {word for phrase in table["replaced"] for word in phrase.split()}
        ),
        {name: tuple(several) for name, several in table["columns"].items()},
        {name: tuple(several) for name, several in table["nouns"].items()},
        {word: str(number) for word, number in table["numbers"].items()},
        table["spelled"],
        table["replaced"],
        frozenset(table["makers"]),
        frozenset(table["people"]),
        table["owner"],
        table["shortest"],
        table["longest"],
    )


class _Compiler:
    """Turns phrases into patterns over marked text, in which ``gap`` stands after each word and mark."""

    def __init__(self, gap: str, macros: Mapping[str, str], lists: Mapping[str, Any]) -> None:
        self.gap, self.macros, self.lists, self.seen = gap, macros, lists, set[str]()

    def rules(self, groups: list[Any]) -> Iterator[Rule]:
        for group in groups:
            # A phrase begins where a word does.
            start = "(?<![^ ])" if self.gap else ""
            before = f"(?={self.pattern(group['before'])})" if "before" in group else ""
            if group["make"] == "list":
                yield Rule("list", (group["claim"],), self.listed(group["claim"]), "")
            for phrase in group.get("say", ()):
                pattern = re.compile(f"{start}{self.pattern(phrase)}{before}")
                yield Rule(group["make"], tuple(group["claim"].split()), pattern, _longest_word(phrase))

    def pattern(self, phrase: str) -> str:
        return "".join(self._part(token) for token in _TOKEN.finditer(phrase))

    def _part(self, token: re.Match[str]) -> str:
        if token["argument"]:
            return f"(?P<{token['name'] or token['argument']}>{_class(token['argument'])}){self.gap}"
        if token["macro"]:
            return self.pattern(self.macros[token["macro"]])
        if token["mark"]:
            return {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|", "*": "*"}[token["mark"]]
        self.seen.update(_LETTERS.findall(token["word"]))
        return re.escape(token["word"]) + self.gap

    def listed(self, argument: str) -> re.Pattern[str]:
        """Compile "A, B and C" of one sort: without the last joint a comma joins nothing."""
        one, between = _class(argument) + self.gap, self.pattern(self.lists["between"])
        last, of_three = (
            "|".join(self.pattern(joint) for joint in self.lists[name]) or "(?!)" for name in ("last", "of_three")
        )
        return re.compile(f"(?:{one}{between})+{one}(?:{of_three}){one}|(?:{one}{between})*{one}(?:{last}){one}")


def _class(argument: str) -> str:
    spans = (RANGES[sort] for sort in _HELD_BY[argument])
    return "[" + "".join(f"{chr(start)}-{chr(stop - 1)}" for start, stop in spans) + "]"


def _longest_word(phrase: str) -> str:
    """Return a word that every match of a phrase holds, or nothing: most phrases need not be tried."""
    bare = phrase
    while (inner := re.sub(r"\[[^\[\]]*\]|\([^()]*\)", " ", bare)) != bare:
        bare = inner
    words = [token["word"] for token in _TOKEN.finditer(bare) if token["word"]]
    return max(words, key=len, default="")
