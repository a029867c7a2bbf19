"""Read a reason: put a mark for each title, value and number in it, and keep what each mark means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmrec.prompting import Language, one_line
from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.names import name_forms
from llmrec.reasons.shortened import is_name_of
from llmrec.reasons.statements.grammar import Grammar, grammar_of
from llmrec.reasons.statements.nodes import Marks, Node
from llmrec.reasons.statements.values import value_forms
from llmrec.reasons.wording import QUOTES, spoken

_HAN = re.compile("[\u4e00-\u9fff]")
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|《([^》]+)》|「([^」]+)」')
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*s?(?![A-Za-z\d])")
_ORDINAL = re.compile(r"(?<![\w.,])(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b")
_OTHER_QUOTES = (("“", "”"), ("「", "」"))
_LONGEST_FACT = 60
# From here on characters stand for words of the grammar while values are read: private-use ones, no marks.
FIRST_HIDDEN = "\U000f0000"
# A longer value is no fact, however much white space is in it.
_MOST_READ = 2000


@dataclass(frozen=True)
class Reading:
    """A reason with marks. The suggested item has index 0 in ``items``, the cited ones follow, then the rival."""

    text: str
    items: tuple[Item, ...]
    marks: Marks

    @property
    def titles(self) -> frozenset[str]:
        """The marks of the titles that the reason names."""
        return frozenset(mark for mark, node in self.marks.nodes.items() if node.titles and mark in self.text)

    @property
    def mentioned(self) -> frozenset[int]:
        """The indices of the items that the reason names."""
        return frozenset(
            index for mark in self.titles for title in self.marks.nodes[mark].titles for index in title
        )

    @property
    def values(self) -> frozenset[str]:
        """The attribute values, in lower case, and the numbers that the reason names."""
        nodes = (node for mark, node in self.marks.nodes.items() if mark in self.text)
        return frozenset(value for node in nodes for value in (*node.values, node.number) if value)


def read(sentence: str, evidence: Evidence, language: Language) -> Reading:
    """Mark the titles in a reason and then, in what is left, the metadata values and the numbers."""
    items = (evidence.item, *evidence.cited)
    grammar = grammar_of(language)
    # Of the rival only its title may be said.
    titled = items if evidence.rival is None else (*items, evidence.rival)
    marks = Marks(len(evidence.cited), None if evidence.rival is None else len(items))
    text = _read_titles(sentence, titled, grammar, marks)
    text = _read_values(text, items, grammar, marks)
    text = _ORDINAL.sub(lambda number: f"{marks.of('number', Node(number=number[1]))} th", text)
    text = _NUMBER.sub(lambda number: marks.of("number", Node(number=number.group())), text)
    return Reading(text, titled, marks)


def replace_word(text: str, word: str, mark: str, *, ignore_case: bool = False) -> str:
    """Replace whole words only: "Alien" does not stand in "Aliens". Chinese has no word borders."""
    left, right = ("" if _HAN.match(end) else border for end, border in _borders(word))
    flags = re.IGNORECASE if ignore_case else 0
    return re.sub(f"{left}{re.escape(word)}{right}", mark, text, flags=flags)


def _borders(word: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (word[0], r"(?<![A-Za-z0-9_])"), (word[-1], r"(?![A-Za-z0-9_])")


def _forms(item: Item) -> set[str]:
    """Return the forms in which an item's title may be written."""
    whole = {item.title, one_line(item.title), spoken(item.title)}
    # "When Harry Met Sally..." may end without its dots.
    return {form for title in whole for form in (title, title.rstrip(" .!?…")) if form}


def _read_titles(sentence: str, items: tuple[Item, ...], grammar: Grammar, marks: Marks) -> str:
    """Put a mark where a title of the evidence stands, the longest first."""
    indices = _indices(items)
    # Longer than the sentence, a title cannot stand in it: of megabytes no pattern is made.
    forms = sorted((one for one in indices if len(one) <= len(sentence)), key=lambda one: (-len(one), one))
    named = {form: marks.of_title(frozenset(indices[form])) for form in forms}
    for form, mark in named.items():
        for opening, closing in (*QUOTES.values(), *_OTHER_QUOTES):
            sentence = sentence.replace(f"{opening}{form}{closing}", mark)
        # A comma or a full stop may stand inside the closing quote.
        sentence = re.sub(rf'["“]{re.escape(form)}([.,])["”]', rf"{mark}\1", sentence)
    sentence = _QUOTED.sub(lambda quoted: _shortened(quoted, items, marks), sentence)
    for form, mark in named.items():
        if form.lower() not in grammar.words and len(form) > 1:
            sentence = replace_word(sentence, form, mark)
    return sentence


def _indices(items: tuple[Item, ...]) -> dict[str, set[int]]:
    """Return which items each form of a title names; a short name that two titles have names neither."""
    indices: dict[str, set[int]] = {}
    for index, item in enumerate(items):
        for form in _forms(item):
            indices.setdefault(form, set()).add(index)
    holders: dict[str, set[str]] = {}
    for item in items:
        for name in name_forms(item.title):
            holders.setdefault(name.lower(), set()).add(item.title)
    whole = {form: frozenset(some) for form, some in indices.items()}
    for index, item in enumerate(items):
        for name in set(name_forms(item.title)) - {""}:
            if len(holders[name.lower()]) == 1 and index in whole.get(name, {index}):
                indices.setdefault(name, set()).add(index)
    return indices


def _shortened(quoted: re.Match[str], items: tuple[Item, ...], marks: Marks) -> str:
    """Mark a quoted beginning of a title by which people call the item, where it is the beginning of one alone."""
    name = next(part for part in quoted.groups() if part)
    stop = name[-1] if name[-1] in ".," else ""
    name = name.rstrip(".,")
    named = {index for index, item in enumerate(items) if any(is_name_of(name, form) for form in _forms(item))}
    others = {one.title for n, one in enumerate(items) if n not in named and one.title.startswith(name)}
    titles = {items[index].title for index in named}
    return marks.of_title(frozenset(named)) + stop if len(titles) == 1 and not others else quoted.group()


def _read_values(text: str, items: tuple[Item, ...], grammar: Grammar, marks: Marks) -> str:
    """Put a mark where a metadata value of the evidence stands, in any of its forms, the longest first."""
    holders: dict[str, dict[str, set[int]]] = {}
    values: dict[str, str] = {}
    for index, item in enumerate(items):
        for name, value in _metadata_values(item):
            for form in value_forms(name, value.lower(), grammar):
                holders.setdefault(form, {}).setdefault(name, set()).add(index)
                values.setdefault(form, value.lower())
    lower = text.lower()
    mentioned = {form for form in holders if form in lower and not _NUMBER.fullmatch(form)}
    for form in sorted(mentioned - grammar.words, key=lambda form: (-len(form), form)):
        having = {name: frozenset(some) for name, some in holders[form].items()}
        mark = marks.of("value", Node(values=(values[form],), holders=(having,)))
        # "History" is no genre in "your history": Chinese has no word borders.
        longer = [word for word in grammar.words if form in word] if _HAN.search(form) else []
        hidden = {word: chr(ord(FIRST_HIDDEN) + n) for n, word in enumerate(sorted(longer, key=len, reverse=True))}
        for word, other in hidden.items():
            text = text.replace(word, other)
        text = replace_word(text, form, mark, ignore_case=True)
        for word, other in hidden.items():
            text = text.replace(other, word)
    return text


def _metadata_values(item: Item) -> Iterator[tuple[str, str]]:
    for name, value in ({**item.metadata, "genres": item.genres}).items():
        parts: Iterable[object] = value if isinstance(value, list | tuple) else (value,)
        for part in parts:
            text = str(part)
            text = one_line(text) if len(text) <= _MOST_READ else ""
            if text and len(text) <= _LONGEST_FACT:
                yield name, text
