"""Read a reason that is made of skeletons back to the claims it makes: text in, clauses out, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.prompting import Language
from llmrec.reasons.claims import read
from llmrec.reasons.clauses import Clause, Clauses, capitalized
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.request import ReasonForm

# More facts than this are no longer read.
MOST_ENDINGS = 2


def stated(
    text: str, evidence: Evidence, *, language: Language = "en", form: ReasonForm = "sentence"
) -> list[Clause] | None:
    """Return the clauses of a reason, each true by its evidence; None for one that is not made of such.

    A reason is an opening and up to two endings, joined to one sentence or, as a "paragraph", each a sentence.
    """
    phrases = Phrases.load(language)
    if not text.endswith(phrases.end):
        return None
    clauses = Clauses(evidence, phrases)
    for opening in clauses.openings():
        said = capitalized(opening.text)
        if text.startswith(said):
            rest = _read_endings(text[len(said) :], clauses, opening.named, form)
            if rest is not None:
                return [opening, *rest]
    return None


def split_endings(text: str, evidence: Evidence, *, language: Language = "en") -> tuple[str, list[Clause]]:
    """Return a sentence without the endings that are true by its evidence, and these; others read the rest.

    What "both" means is settled by the titles that the rest names.
    """
    phrases = Phrases.load(language)
    if not text.endswith(phrases.end) or not evidence.facts:
        return text, []
    clauses = Clauses(evidence, phrases)
    starts = sorted(start for joint in phrases.joints for start in _starts(text, joint))
    for start in starts:
        lead = text[:start] + phrases.end
        mentioned = read(lead, evidence, language).mentioned
        named = tuple(one.item_id for n, one in enumerate(evidence.cited, start=1) if n in mentioned)
        endings = _read_endings(text[start:], clauses, named, "sentence") if 0 in mentioned else None
        if endings:
            return lead, endings
    return text, []


def _starts(text: str, joint: str) -> Iterator[int]:
    at = text.find(joint)
    while at >= 0:
        yield at
        at = text.find(joint, at + 1)


def joints_of(phrases: Phrases, form: ReasonForm) -> tuple[str, ...]:
    """Return what may stand between the clauses of a reason."""
    gap = "" if phrases.language == "zh" else " "
    return phrases.joints if form == "sentence" else (f"{phrases.end}{gap}",)


def _read_endings(rest: str, clauses: Clauses, named: tuple[str, ...], form: ReasonForm) -> list[Clause] | None:
    """Read what follows a lead that names some cited items as endings; None where it is something else."""
    if rest == clauses.phrases.end:
        return []
    return next(_paths(rest, clauses.phrases, list(clauses.endings(named)), form, MOST_ENDINGS), None)


def _paths(
    rest: str, phrases: Phrases, endings: list[Clause], form: ReasonForm, most: int
) -> Iterator[list[Clause]]:
    """Yield the ways to read the rest of a reason as endings, none twice."""
    if rest == phrases.end:
        yield []
        return
    if not most:
        return
    for said, ending in _said(phrases, endings, form):
        if rest.startswith(said):
            others = [one for one in endings if one.fact != ending.fact]
            for path in _paths(rest[len(said) :], phrases, others, form, most - 1):
                yield [ending, *path]


def _said(phrases: Phrases, endings: list[Clause], form: ReasonForm) -> Iterator[tuple[str, Clause]]:
    """Yield each ending with each joint before it."""
    for joint in joints_of(phrases, form):
        for ending in endings:
            yield joint + (ending.text if form == "sentence" else capitalized(ending.text)), ending
