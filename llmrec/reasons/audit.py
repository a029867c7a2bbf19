"""Check a sentence against its evidence: it may say nothing that the evidence does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llmrec.prompting import Language, one_line
from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.lexicon import LEXICONS, Lexicon
from llmrec.reasons.wording import QUOTES, spoken

# What stands in the place of a fact while the rest is read. Private-use characters: no text has them.
_ITEM, _CITED, _BOTH, _FACT = "\ue000", "\ue001", "\ue002", "\ue003"
_TITLES = f"{_ITEM}{_CITED}{_BOTH}"

_MARKUP = re.compile(r"<[|/!]?\w|\|>|\[/?INST\]|\{\{|\}\}|\{%|```|https?:", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|《[^》]*》|「[^」]*」')
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_HAN = re.compile("[\u4e00-\u9fff]")
_HAN_RUN = re.compile("[\u4e00-\u9fff]+")
_PLAIN_MARKS = frozenset(" ,.;:!?'’-–—()、，。；：！？（）")
_ENDS = re.compile(r"[.!?。！？]+")
_LISTED = re.compile(f"[{_TITLES}](?:[,、\\s]*(?:and|和|与|以及)?\\s*[{_TITLES}])*")
_LONGEST_FACT = 60


def audit(sentence: str, evidence: Evidence, *, language: Language = "en") -> list[str]:
    """Return what is wrong with a sentence; an empty list means that it may be shown.

    Titles of the item and of cited items, their metadata and a short list of plain words may stand in it;
    any other name, number, quoted text or word is a fault. So are a chosen item called suggested or the
    reverse, a genre said to be shared by an item that lacks it, and anything but one sentence.
    """
    lexicon = LEXICONS[language]
    if "\n" in sentence or one_line(sentence) != sentence:
        return ["it is not one line of plain text"]
    if any(mark in sentence for mark in (*_TITLES, _FACT)):
        return ["it contains private-use characters"]
    read = _read_titles(sentence, evidence, lexicon, language)
    rest = _read_facts(read, evidence)
    return [
        *_length(sentence, lexicon, language),
        *_one_sentence(read),
        *_markup(read),
        *_titles(sentence, read, evidence, language),
        *_roles(read, lexicon),
        *_genres(sentence, read, evidence, lexicon),
        *_strangers(rest, lexicon, language),
    ]


def _forms(item: Item) -> set[str]:
    """Return the ways an item's title may be written."""
    whole = {item.title, one_line(item.title), spoken(item.title)}
    # "When Harry Met Sally..." may end without its dots.
    return {form for title in whole for form in (title, title.rstrip(" .!?…")) if form}


def _read_titles(sentence: str, evidence: Evidence, lexicon: Lexicon, language: Language) -> str:
    """Put a mark where a title of the evidence stands, the longest first."""
    own, others = _forms(evidence.item), {form for item in evidence.cited for form in _forms(item)}
    for form in sorted(own | others, key=lambda form: (-len(form), form)):
        mark = _BOTH if form in own & others else _ITEM if form in own else _CITED
        for opening, closing in QUOTES.values():
            sentence = sentence.replace(f"{opening}{form}{closing}", mark)
        # A comma or a full stop may stand inside the closing quote.
        sentence = re.sub(rf'"{re.escape(form)}([.,])"', rf"{mark}\1", sentence)
        if form.lower() not in lexicon.words and len(form) > 1:
            sentence = _replace_word(sentence, form, mark)
    return sentence


def _read_facts(read: str, evidence: Evidence) -> str:
    """Put a mark where a metadata value of the evidence stands."""
    values = {text for item in (evidence.item, *evidence.cited) for text in _facts(item)}
    for text in sorted(values, key=lambda text: (-len(text), text)):
        read = _replace_word(read, text, _FACT, ignore_case=True)
    return read


def _facts(item: Item) -> Iterator[str]:
    for value in (*item.metadata.values(), item.genres):
        parts: Iterable[object] = value if isinstance(value, list | tuple) else (value,)
        for part in parts:
            text = one_line(str(part))
            if text and len(text) <= _LONGEST_FACT:
                yield text


def _replace_word(text: str, word: str, mark: str, *, ignore_case: bool = False) -> str:
    """Replace whole words only: "Alien" does not stand in "Aliens". Chinese has no word borders."""
    left, right = ("" if _HAN.match(end) else border for end, border in _borders(word))
    flags = re.IGNORECASE if ignore_case else 0
    return re.sub(f"{left}{re.escape(word)}{right}", mark, text, flags=flags)


def _stands_in(sentence: str, item: Item) -> bool:
    return any(_replace_word(sentence, form, "") != sentence for form in _forms(item))


def _borders(word: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (word[0], r"(?<![A-Za-z0-9_])"), (word[-1], r"(?![A-Za-z0-9_])")


def _length(sentence: str, lexicon: Lexicon, language: Language) -> Iterator[str]:
    unit = "characters" if language == "zh" else "words"
    length = len(sentence) if language == "zh" else len(sentence.split())
    if not lexicon.shortest <= length <= lexicon.longest:
        yield f"it has {length} {unit}, not {lexicon.shortest} to {lexicon.longest}"


def _one_sentence(read: str) -> Iterator[str]:
    ends = list(_ENDS.finditer(read))
    if not ends or ends[-1].end() != len(read):
        yield "it does not end as a sentence"
    elif len(ends) > 1:
        yield "it is more than one sentence"


def _markup(read: str) -> Iterator[str]:
    found = _MARKUP.search(read)
    if found:
        yield f"it contains markup: {found.group()!r}"


def _titles(sentence: str, read: str, evidence: Evidence, language: Language) -> Iterator[str]:
    if not any(mark in read for mark in _TITLES):
        yield "it names neither the suggested item nor a cited one"
    opening, closing = QUOTES[language]
    said = spoken(evidence.item.title), *dict.fromkeys(spoken(item.title) for item in evidence.cited)
    for title in dict.fromkeys(said):
        # An item chosen before and suggested again has two places.
        if sentence.count(f"{opening}{title}{closing}") > said.count(title):
            yield f"it names {title!r} more than once"


def _roles(read: str, lexicon: Lexicon) -> Iterator[str]:
    """Read what stands before each list of titles: a chosen item is not a suggested one."""
    for run in _LISTED.finditer(read):
        before = read[: run.start()].rstrip('"“《「')
        if _ITEM in run.group() and lexicon.chosen.search(before):
            yield "it says that the suggested item was chosen before"
        if _CITED in run.group() and lexicon.suggested.search(before):
            yield "it says that a chosen item is suggested"


def _genres(sentence: str, read: str, evidence: Evidence, lexicon: Lexicon) -> Iterator[str]:
    """A genre named must be the item's; said to be shared, also that of every cited item named."""
    everything = {genre for item in (evidence.item, *evidence.cited) for genre in item.genres}
    named = [genre for genre in sorted(everything) if _replace_word(read, genre, "", ignore_case=True) != read]
    compared = lexicon.alike.search(read) is not None
    mentioned = [item for item in evidence.cited if _stands_in(sentence, item)]
    for genre in named:
        if genre not in evidence.item.genres:
            yield f"it names the genre {genre!r}, which the suggested item lacks"
            continue
        lacking = [item.title for item in mentioned if genre not in item.genres] if compared else []
        if lacking:
            yield f"it says that {lacking[0]!r} shares the genre {genre!r}"


def _unread(run: str, words: frozenset[str]) -> str:
    """Return what is left of Chinese text after as much of it as plain words can cover from its start."""
    longest = max(map(len, words))
    reached = [True]
    for end in range(1, len(run) + 1):
        starts = range(max(0, end - longest), end)
        reached.append(any(reached[start] and run[start:end] in words for start in starts))
    return run[len(run) - reached[::-1].index(True) :]


def _strangers(rest: str, lexicon: Lexicon, language: Language) -> Iterator[str]:
    """Name what is left when titles, facts and plain words are read."""
    for quote in _QUOTED.findall(rest):
        shown = re.sub(f"[{_TITLES}{_FACT}]", "…", quote)
        yield f"it quotes {shown}, which is not in the evidence"
    rest = _QUOTED.sub(" ", rest)
    for number in _NUMBER.findall(rest):
        yield f"it gives the number {number}, which is not in the evidence"
    rest = _NUMBER.sub(" ", rest)
    if language == "zh":
        rest = _HAN_RUN.sub(lambda run: _unread(run.group(), lexicon.words), rest)
    for found in _WORD.finditer(rest):
        word = found.group()
        if word.lower() not in lexicon.words:
            yield f"it says {word!r}, which is not in the evidence"
        elif word[0].isupper() and rest[: found.start()].strip():
            yield f"it names {word!r}, which is not in the evidence"
    rest = _WORD.sub("", rest)
    odd = sorted({mark for mark in rest if mark not in _PLAIN_MARKS and mark not in f"{_TITLES}{_FACT}"})
    if odd:
        yield f"it contains {''.join(odd)!r}"
