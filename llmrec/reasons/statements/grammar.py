"""The phrases that a reason may be made of, as data for each language, compiled to patterns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from llmrec.prompting import Language

# Private-use characters stand for what was read, one range for each sort: no text has them.
_SORTS = (
    *("item", "cited", "again", "rival", "mixed", "single", "several", "value", "number", "column"),
    *("modifier", "predicate", "premise", "suggestion", "statement", "reason", "part", "rank", "fraction"),
)
RANGES = {sort: (0xE100 + n * 0x100, 0xE100 + (n + 1) * 0x100) for n, sort in enumerate(_SORTS)}
# What an argument of a phrase may hold.
_HELD_BY = {
    "title": ("item", "cited", "again", "mixed", "single", "several"),
    "rival": ("rival", "item", "cited", "again"),
    "position": ("rank", "number"),
    "description": ("modifier", "predicate", "value"),
    **{sort: (sort,) for sort in _SORTS if sort not in ("item", "cited", "again", "mixed", "rival")},
}
_TOKEN = re.compile(
    r"\{(?P<argument>[a-z]+)(?::(?P<name>[a-z]+))?\}|(?P<mark>[\[\]()|*])|(?P<word>[^\s\[\]()|*{}<>]+)"
)

_MACRO = re.compile(r"<([a-z_]+)>")
_LETTERS = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


@dataclass(frozen=True)
class Rule:
    """A phrase: what it makes of what it matches, and what that claims. ``needs``: a word that it must hold."""

    make: str
    claims: tuple[str, ...]
    pattern: re.Pattern[str]
    needs: str


@dataclass(frozen=True)
class Offer:
    """A phrase that a writer is shown, see ``offered.py``. ``when``: what must be so of the choices."""

    make: str
    when: frozenset[str]
    text: str


@dataclass(frozen=True)
class CatalogKind:
    """What items of a catalog with some of ``columns``, and none of ``without``, are called, and what is done with
    them: each phrase with the one that the grammar has for it, "watched" for "chose". ``shown``: the other way.
    """

    columns: frozenset[str]
    without: frozenset[str]
    items: tuple[str, ...]
    says: Mapping[str, str]
    shown: Mapping[str, tuple[str, ...]]

    @property
    def words(self) -> Iterator[str]:
        """The words of its phrases."""
        yield from self.items
        for phrase in self.says:
            yield from phrase.split()


@dataclass(frozen=True)
class Grammar:
    """One language's phrases, in the order in which they are tried, and its words."""

    language: Language
    phases: tuple[tuple[Rule, ...], ...]
    words: frozenset[str]
    columns: Mapping[str, tuple[str, ...]]
    kinds: tuple[CatalogKind, ...]
    values: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, str]
    ordinals: Mapping[str, str]
    spelled: Mapping[str, str]
    replaced: Mapping[str, str]
    makers: frozenset[str]
    people: frozenset[str]
    owner: str
    labels: Mapping[str, str]
    offers: tuple[Offer, ...]
    shortest: int
    longest: int

    def kinds_of(self, names: Set[str]) -> list[CatalogKind]:
        """Return what items with these columns may be called."""
        return [one for one in self.kinds if names & one.columns and not names & one.without]

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
    kinds = tuple(_kind(row) for row in table["kinds"])
    words = {word for several in table["columns"].values() for word in several}
    words |= {word for phrase in table["replaced"] for word in phrase.split()}
    words |= compiler.seen | set(table["numbers"]) | set(table["spelled"])
    words |= {form for ordinal in table["ordinals"] for form in (ordinal, f"{ordinal}s")}
    return Grammar(
        language,
        phases,
        frozenset(words | {word for kind in kinds for word in kind.words}),
        {name: tuple(several) for name, several in table["columns"].items()},
        kinds,
        {value: tuple(several) for several in table["values"] for value in several},
        {word: str(number) for word, number in table["numbers"].items()},
        {word: str(number) for word, number in table["ordinals"].items()},
        table["spelled"],
        table["replaced"],
        frozenset(table["makers"]),
        frozenset(table["people"]),
        table["owner"],
        table["labels"],
        tuple(_offers(table["offered"])),
        table["shortest"],
        table["longest"],
    )


def _kind(row: Mapping[str, Any]) -> CatalogKind:
    says = {phrase: said for said, several in row["says"].items() for phrase in several}
    shown = {said: tuple(several) for said, several in {**row["says"], **row.get("shown", {})}.items()}
    return CatalogKind(frozenset(row["columns"]), frozenset(row["without"]), tuple(row["items"]), says, shown)


def _offers(groups: list[Any]) -> Iterator[Offer]:
    for group in groups:
        for phrase in group["say"]:
            yield Offer(group["make"], frozenset(group.get("when", "").split()), phrase)


def argument_of(group: str) -> str:
    """Return the argument that a group of a pattern fills."""
    return group.partition("_")[0]


class _Compiler:
    """Turns phrases into patterns over marked text, in which ``gap`` stands after each word and mark."""

    def __init__(self, gap: str, macros: Mapping[str, str], lists: Mapping[str, Any]) -> None:
        self.gap, self.macros, self.lists, self.seen = gap, macros, lists, set[str]()

    def rules(self, groups: list[Any]) -> Iterator[Rule]:
        for group in groups:
            # A phrase begins where a word does.
            start = "(?<![^ ])" if self.gap else ""
            before = f"(?={self.pattern(group['before'], named=False)})" if "before" in group else ""
            if "unless" in group:
                before += f"(?!{self.pattern(group['unless'], named=False)})"
            if group["make"] == "list":
                yield Rule("list", (group["claim"],), self.listed(group["claim"]), "")
            for phrase in group.get("say", ()):
                pattern = re.compile(f"{start}{self.pattern(phrase)}{before}")
                needs = _longest_word(self.spelled_out(phrase))
                yield Rule(group["make"], tuple(group["claim"].split()), pattern, needs)

    def spelled_out(self, phrase: str) -> str:
        """Write a phrase with its macros replaced by what they stand for."""
        while names := set(_MACRO.findall(phrase)):
            for name in names:
                phrase = phrase.replace(f"<{name}>", self.macros[name])
        return phrase

    def pattern(self, phrase: str, *, named: bool = True) -> str:
        """Compile a phrase. Of alternatives with the same argument each has a group: title, title_2, ...; see
        ``argument_of``."""
        phrase = self.spelled_out(phrase)
        used: Counter[str] = Counter()
        return "".join(self._part(token, used, named) for token in _TOKEN.finditer(phrase))

    def _part(self, token: re.Match[str], used: Counter[str], named: bool) -> str:
        if token["argument"]:
            name = token["name"] or token["argument"]
            used[name] += 1
            group = f"?P<{name if used[name] == 1 else f'{name}_{used[name]}'}>" if named else "?:"
            return f"({group}{_class(token['argument'])}){self.gap}"
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
