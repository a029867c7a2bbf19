"""Read a sentence: put a mark for each title and fact of the evidence, and keep what each mark means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmrec.prompting import Language, one_line
from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.lexicon import LEXICONS, TITLES, Lexicon
from llmrec.reasons.names import name_forms
from llmrec.reasons.wording import QUOTES, spoken

# Private-use characters stand for titles and facts while the rest is read: no text has them.
PRIVATE = re.compile("[\ue000-\uf8ff]")
LISTED = re.compile(f"[{TITLES}](?:[,、\\s]*(?:and|和|与|以及)?\\s*[{TITLES}])*")

_HAN = re.compile("[\u4e00-\u9fff]")
_LONGEST_FACT = 60
# A longer value is no fact, however much white space is in it.
_MOST_READ = 2000


@dataclass(frozen=True)
class Reading:
    """A sentence with marks. ``named`` and ``holders``: the indices into ``items`` that a title mark may name,
    and that a fact mark is true of. The suggested item has index 0, the cited ones follow, then the rival.
    """

    text: str
    items: tuple[Item, ...]
    named: dict[str, frozenset[int]]
    holders: dict[str, frozenset[int]]
    values: dict[str, str]

    @property
    def titles(self) -> frozenset[str]:
        """The marks of the titles that the sentence names."""
        return frozenset(mark for mark in self.named if mark in self.text)

    @property
    def mentioned(self) -> frozenset[int]:
        """The indices of the items that the sentence names."""
        return frozenset().union(*(self.named[mark] for mark in self.titles))


def read(sentence: str, evidence: Evidence, language: Language) -> Reading:
    """Mark the titles in a sentence and then, in what is left, the metadata values."""
    items = (evidence.item, *evidence.cited)
    lexicon = LEXICONS[language]
    # Of the rival only its title may be said.
    titled = items if evidence.rival is None else (*items, evidence.rival)
    text, named = _read_titles(sentence, titled, lexicon)
    text, holders, values = _read_values(text, items, lexicon)
    return Reading(text, titled, named, holders, values)


def replace_word(text: str, word: str, mark: str, *, ignore_case: bool = False) -> str:
    """Replace whole words only: "Alien" does not stand in "Aliens". Chinese has no word borders."""
    left, right = ("" if _HAN.match(end) else border for end, border in _borders(word))
    flags = re.IGNORECASE if ignore_case else 0
    return re.sub(f"{left}{re.escape(word)}{right}", mark, text, flags=flags)


def _borders(word: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (word[0], r"(?<![A-Za-z0-9_])"), (word[-1], r"(?![A-Za-z0-9_])")


def _forms(item: Item) -> set[str]:
    """Return the forms in which an item's title may be written."""
    whole = {item.title, one_line(item.title), spoken(item.title), *name_forms(item.title)}
    # "When Harry Met Sally..." may end without its dots.
    return {form for title in whole for form in (title, title.rstrip(" .!?…")) if form}


def _read_titles(
    sentence: str, items: tuple[Item, ...], lexicon: Lexicon
) -> tuple[str, dict[str, frozenset[int]]]:
    """Put a mark where a title of the evidence stands, the longest first."""
    indices: dict[str, set[int]] = {}
    for index, item in enumerate(items):
        for form in _forms(item):
            indices.setdefault(form, set()).add(index)
    named: dict[str, frozenset[int]] = {}
    marks: dict[frozenset[int], str] = {}
    # Longer than the sentence, a title cannot stand in it: of megabytes no pattern is made.
    for form in sorted((one for one in indices if len(one) <= len(sentence)), key=lambda one: (-len(one), one)):
        mark = marks.setdefault(frozenset(indices[form]), chr(0xE100 + len(marks)))
        named[mark] = frozenset(indices[form])
        for opening, closing in QUOTES.values():
            sentence = sentence.replace(f"{opening}{form}{closing}", mark)
        # A comma or a full stop may stand inside the closing quote.
        sentence = re.sub(rf'"{re.escape(form)}([.,])"', rf"{mark}\1", sentence)
        if form.lower() not in lexicon.words | lexicon.guarded and len(form) > 1:
            sentence = replace_word(sentence, form, mark)
    return sentence, named


def _read_values(
    text: str, items: tuple[Item, ...], lexicon: Lexicon
) -> tuple[str, dict[str, frozenset[int]], dict[str, str]]:
    """Put a mark where a metadata value of the evidence stands, the longest first."""
    indices: dict[str, set[int]] = {}
    for index, item in enumerate(items):
        for value in _metadata_values(item):
            indices.setdefault(value.lower(), set()).add(index)
    holders: dict[str, frozenset[int]] = {}
    values: dict[str, str] = {}
    lower = text.lower()
    mentioned = {value for value in indices if value in lower} - lexicon.guarded
    for value in sorted(mentioned, key=lambda value: (-len(value), value)):
        mark = chr(0xE800 + len(holders))
        holders[mark], values[mark] = frozenset(indices[value]), value
        text = replace_word(text, value, mark, ignore_case=True)
    return text, holders, values


def _metadata_values(item: Item) -> Iterator[str]:
    for value in (*item.metadata.values(), item.genres):
        parts: Iterable[object] = value if isinstance(value, list | tuple) else (value,)
        for part in parts:
            text = str(part)
            text = one_line(text) if len(text) <= _MOST_READ else ""
            if text and len(text) <= _LONGEST_FACT:
                yield text
