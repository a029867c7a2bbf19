"""Check a sentence against its evidence: it may say nothing that the evidence does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from llmrec.prompting import Language, one_line
from llmrec.reasons.claims import LISTED, PRIVATE, Reading, read
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.lexicon import FACTS, LEXICONS, TITLES, Lexicon
from llmrec.reasons.request import ReasonForm
from llmrec.reasons.stated import split_endings, stated
from llmrec.reasons.wording import spoken

_MARKUP = re.compile(r"<[|/!]?\w|\|>|\[/?INST\]|\{\{|\}\}|\{%|```|https?:", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|《[^》]*》|「[^」]*」')
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_HAN_RUN = re.compile("[\u4e00-\u9fff]+")
_PLAIN_MARKS = frozenset(" ,.;:!?'’-–—()、，。；：！？（）")
_ENDS = re.compile(r"[.!?。！？]+")
# "the war and sci-fi item X", "1995的X": facts that belong to the title right of them.
_ATTRIBUTE = re.compile(
    f"(?:\\b(?:the|an?) (?:[{FACTS}](?:,| and)? )*[{FACTS}] (?:items? )?|[{FACTS}]的)(?=[{TITLES}])"
)


# A short paragraph: more is no longer read.
MOST_SENTENCES, MOST_CHARACTERS = 3, 2000


def audit(text: str, evidence: Evidence, *, language: Language = "en", form: ReasonForm = "sentence") -> list[str]:
    """Return what is wrong with a reason; an empty list means that it may be shown.

    Titles of the item and of cited items, their metadata, a short list of plain words and a few whole
    phrases may stand in it; any other name, number, quoted text or word is a fault. So are a chosen item
    called suggested or the reverse, a fact said of an item that lacks it, a genre said to be shared by an
    item that lacks it, a weight said of an item that is not the strongest, a count of people that is not in
    the evidence, and anything but one sentence (or, as a "paragraph", up to three: each is read by itself).
    Against a rival, "rather than" and its title must stand there once, and its title nowhere else.
    """
    if len(text) > MOST_CHARACTERS:
        return [f"it has {len(text):,} characters, not up to {MOST_CHARACTERS:,}"]
    if "\n" in text or one_line(text) != text:
        return ["it is not one line of plain text"]
    if PRIVATE.search(text):
        return ["it contains private-use characters"]
    if stated(text, evidence, language=language, form=form) is not None:
        return []
    if form == "sentence":
        text, _ = split_endings(text, evidence, language=language)
    whole = read(text, evidence, language)
    parts = [whole.text] if form == "sentence" else _sentences(whole.text)
    faults = [] if len(parts) <= MOST_SENTENCES else [f"it is {len(parts)} sentences, not 1 to {MOST_SENTENCES}"]
    if form == "paragraph" and not any(0 in whole.named[mark] for mark in whole.titles):
        faults.append("it does not name the suggested item")
    if len(set(parts)) < len(parts):
        faults.append("it says the same twice")
    for part in parts:
        faults += _audit_sentence(replace(whole, text=part), evidence, language)
    return list(dict.fromkeys(faults))


def _audit_sentence(reading: Reading, evidence: Evidence, language: Language) -> list[str]:
    lexicon = LEXICONS[language]
    compared, uncompared = _comparison(reading, evidence, lexicon)
    uncounted, miscounted = _people(compared, evidence, lexicon)
    rest, misused = _phrases(uncounted, evidence, lexicon)
    return [
        *_length(reading.text, lexicon, language),
        *_one_sentence(reading.text),
        *_markup(reading.text),
        *_titles(reading, evidence),
        *uncompared,
        *miscounted,
        *_roles(uncounted, lexicon),
        *_genres(uncounted, lexicon),
        *_facts(uncounted, lexicon),
        *misused,
        *_strangers(rest, lexicon, language),
    ]


def _sentences(text: str) -> list[str]:
    """Cut marked text after each end of a sentence; titles are marks here and hold none."""
    return [part for part in re.split(r"(?<=[.!?])\s+|(?<=[。！？])\s*", text) if part]


def _length(read: str, lexicon: Lexicon, language: Language) -> Iterator[str]:
    """A title counts as one word, whatever its length: nobody can shorten it."""
    unit = "characters" if language == "zh" else "words"
    length = len(read) if language == "zh" else len(read.split())
    if not lexicon.shortest <= length <= lexicon.longest:
        yield f"it has {length} {unit}, not {lexicon.shortest} to {lexicon.longest}"


def _one_sentence(read: str) -> Iterator[str]:
    ends = list(_ENDS.finditer(read))
    if not ends or ends[-1].end() != len(read):
        yield "it does not end as a sentence"
    elif len(ends) > 1:
        yield "it is more than one sentence"


def _markup(read: str) -> Iterator[str]:
    markup = _MARKUP.search(read)
    if markup:
        yield f"it contains markup: {markup.group()!r}"


def _titles(reading: Reading, evidence: Evidence) -> Iterator[str]:
    if not reading.titles:
        yield "it names neither the suggested item nor a cited one"
    for mark in sorted(reading.titles):
        items = reading.named[mark]
        # An item chosen earlier and suggested again has two roles; so has a rival of the same title.
        rival = evidence.rival is not None and len(evidence.cited) + 1 in items
        roles = (0 in items) + any(0 < item <= len(evidence.cited) for item in items) + rival
        if reading.text.count(mark) > roles:
            yield f"it names {spoken(reading.items[min(items)].title)!r} more than once"


def _comparison(reading: Reading, evidence: Evidence, lexicon: Lexicon) -> tuple[Reading, list[str]]:
    """Take "rather than B" out. Returns the reading without it, and what is wrong with the comparison."""
    if evidence.rival is None:
        return reading, []
    rival, faults = len(evidence.cited) + 1, []
    clauses = [one for one in lexicon.rather.finditer(reading.text) if rival in reading.named[one.group("rival")]]
    if len(clauses) != 1:
        faults.append(f"it does not say once that it is rather than {spoken(evidence.rival.title)!r}")
    text = reading.text
    for clause in reversed(clauses):
        text = text[: clause.start()] + text[clause.end() :]
    if any(reading.named.get(mark) == frozenset({rival}) for mark in text):
        faults.append(f"it speaks of {spoken(evidence.rival.title)!r}, which is not suggested")
    # From here on the rival lends its title to nobody.
    named = {mark: (items - {rival}) or items for mark, items in reading.named.items()}
    return replace(reading, text=text, named=named), faults


def _roles(reading: Reading, lexicon: Lexicon) -> Iterator[str]:
    """Read what stands around each list of titles: a chosen item is not a suggested one."""
    text = reading.text
    for run in LISTED.finditer(text):
        named = [reading.named[mark] for mark in run.group() if mark in reading.named]
        left, right = text[: run.start()].rstrip('"“《「'), text[run.end() :]
        suggested, cited = {0} in named, any(0 not in items for items in named)
        if suggested and (lexicon.chosen_left.search(left) or lexicon.chosen_right.match(right)):
            yield "it says that the suggested item was chosen before"
        if cited and (lexicon.suggested_left.search(left) or lexicon.suggested_right.match(right)):
            yield "it says that a chosen item is suggested"
    if lexicon.swapped.search(text):
        yield "it lets the wrong one choose or suggest"


def _genres(reading: Reading, lexicon: Lexicon) -> Iterator[str]:
    """A genre named must be the item's; said to be shared, also that of every cited item named."""
    known = {genre.lower(): genre for item in reading.items for genre in item.genres}
    said = {reading.values[mark] for mark in reading.values if mark in reading.text}
    item, compared = reading.items[0], lexicon.alike.search(reading.text) is not None
    mentioned = [reading.items[index] for index in sorted(reading.mentioned - {0})] if compared else []
    for genre in (known[value] for value in sorted(said & known.keys())):
        if genre not in item.genres:
            yield f"it names the genre {genre!r}, which the suggested item lacks"
            continue
        lacking = [other.title for other in mentioned if genre not in other.genres]
        if lacking:
            yield f"it says that {lacking[0]!r} shares the genre {genre!r}"
    unnamed = mentioned and lexicon.genre.search(reading.text) and not said & known.keys()
    if unnamed and not set(item.genres).intersection(*(other.genres for other in mentioned)):
        yield "it says that a genre is shared, and none is"


def _facts(reading: Reading, lexicon: Lexicon) -> Iterator[str]:
    """A fact must be true of the titles it is said of."""
    for position, mark in enumerate(reading.text):
        if mark not in reading.holders:
            continue
        for title in _said_of(reading, position, lexicon):
            lacking = sorted(reading.named[title] - reading.holders[mark])
            if lacking:
                yield f"it says {reading.values[mark]!r} of {reading.items[lacking[0]].title!r}, which lacks it"


def _said_of(reading: Reading, position: int, lexicon: Lexicon) -> list[str]:
    """Return the titles that the fact at a position is said of: all of them where it is not clear which."""
    text = reading.text
    for attribute in _ATTRIBUTE.finditer(text):
        if attribute.start() <= position < attribute.end():
            return [text[attribute.end()]]
    lists = [run for run in LISTED.finditer(text) if run.end() <= position]
    between = text[lists[-1].end() : position] if lists else ""
    if not lists or lexicon.pronoun.search(between) or lexicon.alike.search(between):
        return sorted(reading.titles)
    return sorted(reading.titles & set(lists[-1].group()))


def _phrases(reading: Reading, evidence: Evidence, lexicon: Lexicon) -> tuple[str, list[str]]:
    """Take the whole phrases out. Returns what is left, and the phrases that are not true here."""
    text, faults = reading.text, []
    by_end = {run.end(): run.group() for run in LISTED.finditer(text)}
    for phrase in lexicon.strongest.finditer(text):
        titles = by_end.get(phrase.start(), "")
        named = frozenset().union(*(reading.named.get(mark, frozenset()) for mark in titles))
        cited = named & frozenset(range(1, len(evidence.cited) + 1))
        weights = [one.contribution for one in evidence.cited]
        others = [weight for index, weight in enumerate(weights, start=1) if index not in cited]
        if not cited or max(others, default=0.0) > min(weights[index - 1] for index in cited):
            faults.append("it says that an item weighs most, which does not")
    if lexicon.unmoved.search(text) and evidence.cited:
        faults.append("it says that no item raised the score, and one did")
    for pattern in (lexicon.strongest, lexicon.unmoved, lexicon.harmless):
        # A comma: what stood left and right of the phrase is not joined.
        text = pattern.sub(" ,", text)
    return text, faults


def _people(reading: Reading, evidence: Evidence, lexicon: Lexicon) -> tuple[Reading, list[str]]:
    """Take counts of people out. Returns the reading without them, and those that are not true."""
    wrong = [one for one in lexicon.people.finditer(reading.text) if not _is_true_count(one, reading, evidence)]
    faults = ["it gives a count of people that is not in the evidence"] if wrong else []
    return replace(reading, text=lexicon.people.sub(" ,", reading.text)), faults


def _is_true_count(phrase: re.Match[str], reading: Reading, evidence: Evidence) -> bool:
    """Whether "of the 93 people who chose A, 54 also chose B" is what the data say."""
    # A number that is also a fact of an item (a year) has been read as one.
    chose, both = (reading.values.get(number, number) for number in phrase.group("chose", "both"))
    cited = {evidence.cited[index - 1].item_id for index in reading.named[phrase.group("cited")] if index}
    known = {(fact.item_id, str(fact.chose), str(fact.both)) for fact in evidence.together}
    return 0 in reading.named[phrase.group("item")] and any((item, chose, both) in known for item in cited)


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
        shown = re.sub(f"[{TITLES}{FACTS}]", "…", quote)
        yield f"it quotes {shown}, which is not in the evidence"
    rest = _QUOTED.sub(" ", rest)
    for number in _NUMBER.findall(rest):
        yield f"it gives the number {number}, which is not in the evidence"
    rest = _NUMBER.sub(" ", rest)
    if language == "zh":
        rest = _HAN_RUN.sub(lambda run: _unread(run.group(), lexicon.words), rest)
    for match in _WORD.finditer(rest):
        word = match.group()
        if word.lower() not in lexicon.words:
            yield f"it says {word!r}, which is not in the evidence"
        elif word[0].isupper() and rest[: match.start()].strip():
            yield f"it names {word!r}, which is not in the evidence"
    rest = _WORD.sub("", rest)
    odd = sorted({mark for mark in rest if mark not in _PLAIN_MARKS and not PRIVATE.match(mark)})
    if odd:
        yield f"it contains {''.join(odd)!r}"
