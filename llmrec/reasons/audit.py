"""Check a reason against its evidence: it may say nothing that the evidence does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmrec.prompting import Language, one_line
from llmrec.reasons.claims import FIRST_HIDDEN, Reading, read
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.request import ReasonForm
from llmrec.reasons.stated import split_endings, stated
from llmrec.reasons.statements.checking import STRONG, Context, faults_of
from llmrec.reasons.statements.grammar import Grammar, grammar_of
from llmrec.reasons.statements.nodes import PRIVATE, Claim, Title
from llmrec.reasons.statements.parse import Parser
from llmrec.reasons.statements.strangers import shown, strange_numbers, strangers
from llmrec.reasons.wording import spoken

_MARKUP = re.compile(r"<[|/!]?\w|\|>|\[/?INST\]|\{\{|\}\}|\{%|```|https?:", re.IGNORECASE)
_ENDS = re.compile(r"[.!?。！？]+")

# A short paragraph: more is no longer read.
MOST_SENTENCES, MOST_CHARACTERS = 3, 2000
# What says that a chosen item is the reason: then one that weighs much must be named.
_CAUSES = frozenset({"chosen", "chosen_last", "named"})


def audit(text: str, evidence: Evidence, *, language: Language = "en", form: ReasonForm = "sentence") -> list[str]:
    """Return what is wrong with a reason; an empty list means that it may be shown.

    It is read as claims, by the phrases of ``statements/en.yaml`` or ``zh.yaml``: what was chosen and what is
    suggested, what weighs how much, what titles have in common, years, prices, ranks, people. Each must hold
    in the evidence, for every title that a pronoun may stand for. What those phrases do not read is a fault, as
    is any name, number, quoted text or word that is neither in them nor in the evidence, and anything but one
    sentence (or, as a "paragraph", up to three). Where chosen items are given as the reason, one of at least half
    of the strongest one's effect is named. Against a rival, "rather than" and its title must stand there once.

    >>> from llmrec.reasons import Cited, Item
    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> audit('We suggest "Alien" because you chose "Blade Runner".', one)
    []
    >>> audit('We suggest the award-winning "Alien" because you chose "Blade Runner".', one)
    ["it says 'award-winning', which is not in the evidence"]
    """
    if len(text) > MOST_CHARACTERS:
        return [f"it has {len(text):,} characters, not up to {MOST_CHARACTERS:,}"]
    if "\n" in text or one_line(text) != text:
        return ["it is not one line of plain text"]
    if PRIVATE.search(text) or max(text, default="") >= FIRST_HIDDEN:
        return ["it contains private-use characters"]
    if stated(text, evidence, language=language, form=form) is not None:
        return []
    shortest = 1
    if form == "sentence":
        text, endings = split_endings(text, evidence, language=language)
        if not endings:  # what was read of the sentence belongs to its length
            shortest = grammar_of(language).shortest
    try:
        return list(dict.fromkeys(_faults(text, evidence, language, form, shortest=shortest)))
    except OverflowError:
        return ["it is too long to be read"]


def _faults(
    text: str, evidence: Evidence, language: Language, form: ReasonForm, *, shortest: int
) -> Iterator[str]:
    reading, grammar = read(text, evidence, language), grammar_of(language)
    parts = [reading.text] if form == "sentence" else _sentences(reading.text)
    if len(parts) > MOST_SENTENCES:
        yield f"it is {len(parts)} sentences, not 1 to {MOST_SENTENCES}"
    if form == "paragraph" and 0 not in reading.mentioned:
        yield "it does not name the suggested item"
    if len(set(parts)) < len(parts):
        yield "it says the same twice"
    parser = Parser(grammar, reading.marks, reading.items)
    claims: list[Claim] = []
    so_far: list[Title] = []
    for part in parts:
        wrong = [*_outside(part, grammar, shortest), *_repeated(part, reading, evidence)]
        wrong += [*strangers(part, evidence, grammar), *strange_numbers(part, reading.marks, evidence)]
        yield from wrong
        said, left = parser.claims(part) if not wrong else ([], "")
        if left:
            yield from _unread(left, reading, evidence)
            continue
        named = tuple(
            title
            for mark in PRIVATE.findall(part)
            for title in reading.marks.nodes[mark].titles
            if any(index <= len(evidence.cited) for index in title)
        )
        so_far += named
        named = named if len(set(named)) > 1 else tuple(so_far)
        context = Context(evidence, reading.items, grammar, named, _reasons(said))
        claims += said
        for claim in said:
            yield from faults_of(claim, context)
    yield from _left_out(claims, reading, evidence)
    yield from _rival(claims, evidence)


def _reasons(claims: list[Claim]) -> tuple[Title, ...]:
    """Return the titles that are given as reasons, also as lesser ones."""
    given = [claim.arguments["title"] for claim in claims if claim.kind in _CAUSES and "title" in claim.arguments]
    lesser = [claim.arguments["less"] for claim in claims if "less" in claim.arguments]
    return tuple(title for node in (*given, *lesser) for title in node.titles)


def _unread(left: str, reading: Reading, evidence: Evidence) -> Iterator[str]:
    yield f"it cannot be read as claims: {shown(left)}"
    if evidence.rival and any(
        reading.marks.sort_of(reading.marks.nodes[mark].titles) == "rival" for mark in PRIVATE.findall(left)
    ):
        yield f"it speaks of {spoken(evidence.rival.title)!r}, which is not suggested"


def _sentences(text: str) -> list[str]:
    """Cut marked text after each end of a sentence; titles are marks here and hold none."""
    return [part for part in re.split(r"(?<=[.!?])\s+|(?<=[。！？])\s*", text) if part]


def _outside(part: str, grammar: Grammar, shortest: int) -> Iterator[str]:
    """Check what is seen without reading: length, one sentence, no markup. A title counts as one word."""
    unit = "words" if grammar.gap else "characters"
    length = len(part.split()) if grammar.gap else len(part)
    if not shortest <= length <= grammar.longest:
        yield f"it has {length} {unit}, not {shortest} to {grammar.longest}"
    ends = list(_ENDS.finditer(part))
    if not ends or ends[-1].end() != len(part):
        yield "it does not end as a sentence"
    elif len(ends) > 1:
        yield "it is more than one sentence"
    markup = _MARKUP.search(part)
    if markup:
        yield f"it contains markup: {markup.group()!r}"


def _repeated(part: str, reading: Reading, evidence: Evidence) -> Iterator[str]:
    titles = sorted(mark for mark in reading.titles if mark in part)
    if not titles and part == reading.text:
        yield "it names neither the suggested item nor a cited one"
    for mark in titles:
        (items,) = reading.marks.nodes[mark].titles
        # An item chosen earlier and suggested again has two roles; so has a rival of the same title.
        rival = evidence.rival is not None and len(evidence.cited) + 1 in items
        roles = (0 in items) + any(0 < item <= len(evidence.cited) for item in items) + rival
        if part.count(mark) > roles:
            yield f"it names {spoken(reading.items[min(items)].title)!r} more than once"


def _left_out(claims: list[Claim], reading: Reading, evidence: Evidence) -> Iterator[str]:
    """What weighs little is not the reason where nothing that weighs much is named."""
    context = Context(evidence, reading.items, grammar_of("en"))
    cited = [frozenset({n}) for n in reading.mentioned if 0 < n <= len(evidence.cited)]
    if any(claim.kind in _CAUSES for claim in claims) and max(context.shares(cited), default=1.0) < STRONG:
        yield "it leaves out the item that weighs most"


def _rival(claims: list[Claim], evidence: Evidence) -> Iterator[str]:
    said = sum(claim.kind.startswith("rather") for claim in claims)
    if evidence.rival is not None and said != 1:
        yield f"it does not say once that it is rather than {spoken(evidence.rival.title)!r}"
