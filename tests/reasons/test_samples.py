"""Ways of saying a reason that a writer is shown: the audit reads all of them, and what they can be made into."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.coens import evidence

from llmrec.prompting import Language
from llmrec.reasons import Cited, Evidence, Item, NarrationRequest, audit
from llmrec.reasons.clauses import capitalized
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.pipeline import planned_requests
from llmrec.reasons.request import ReasonForm
from llmrec.reasons.samples import Samples
from llmrec.reasons.stated import joints_of
from llmrec.reasons.statements.grammar import grammar_of

RIVAL = replace(evidence(), rival=Item("r", "Heat", {"year": 1995}), facts=())


def requests(language: Language) -> list[NarrationRequest]:
    return planned_requests([evidence(n, str(n % 3)) for n in range(8)], language=language)


def made(samples: Samples, draw: random.Random) -> str:
    """Return what a writer may make of the patterns: a beginning, perhaps with a fact."""
    language = samples.request.language
    labels, phrases = grammar_of(language).labels, Phrases.load(language)
    text = draw.choice(samples.frames)
    # A reason may be made of a reason, and of a premise.
    for label in (labels["reason"], labels["reason"], *samples.parts):
        text = text.replace(label, draw.choice(samples.parts.get(label, [label])))
    while bracket := re.search(r"\[([^\[\]()]*)\]|\(([^\[\]()]*)\)", text):
        options = (bracket[1] or bracket[2]).split("|") + ([""] if bracket[1] else [])
        text = f"{text[: bracket.start()]}{draw.choice(options).strip()}{text[bracket.end() :]}"
    text = re.sub(" +(?=[,;:.])", "", " ".join(text.split()) if language == "en" else text)
    names = {"item": samples.item, "title": phrases.listed(samples.chosen), "rival": samples.rival}
    for sort, name in names.items():
        text = text.replace(labels[sort], name)
    if samples.facts and draw.random() < 0.5:
        text += draw.choice(phrases.joints) + draw.choice(draw.choice(samples.facts))
    return capitalized(text) + phrases.end


@pytest.mark.parametrize("form", ["sentence", "paragraph"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_that_is_shown_word_for_word_is_read(language: Language, form: ReasonForm) -> None:
    phrases = Phrases.load(language)
    for request in planned_requests([evidence(n) for n in range(6)], language=language, form=form):
        samples = Samples(request)
        assert len(samples.beginnings) > 2
        assert len(samples.whole) == 2
        told = [*samples.whole, *(f"{one}{phrases.end}" for one in samples.beginnings)]
        joints = joints_of(phrases, form)
        for fact in (one for several in samples.facts for one in several):
            told += [f"{samples.beginnings[0]}{joint}{fact}{phrases.end}" for joint in joints]
        for text in told:
            assert audit(text, request.evidence, language=language, form=form) == [], text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nearly_all_that_the_patterns_make_is_read(language: Language) -> None:
    draw, n, refused = random.Random(0), 0, list[str]()
    for request in requests(language):
        samples = Samples(request)
        for _ in range(6):
            text, n = made(samples, draw), n + 1
            # The request says how short is too short.
            faults = audit(text, request.evidence, language=language)
            refused += [text] if any(not re.search(r"not \d to \d+$", fault) for fault in faults) else []
    assert len(refused) <= 0.05 * n, refused


@pytest.mark.parametrize("language", ["en", "zh"])
def test_against_a_rival_it_is_said_what_it_is_rather_than(language: Language) -> None:
    (request,) = planned_requests([RIVAL], language=language)
    samples, draw = Samples(request), random.Random(0)
    assert samples.rival == Phrases.load(language).quoted("Heat")
    assert samples.beginnings == []
    assert samples.facts == []
    assert samples.whole == [request.plain()]
    for _ in range(12):
        text = made(samples, draw)
        assert "Heat" in text
        assert audit(text, RIVAL, language=language) == [], text


def test_only_the_planned_facts_and_choices() -> None:
    for request in requests("en"):
        samples = Samples(request)
        assert 0 < len(samples.facts) <= len(request.facts) <= 2
        assert 'Fargo"' in samples.chosen[0]
        told = " ".join([*samples.beginnings, *(one for several in samples.facts for one in several)])
        assert ("Coen" in told) == any(fact.values == ("Coen",) for fact in request.facts)


def test_weights_are_offered_where_they_are_measured() -> None:
    def weighs_most(second: float) -> bool:
        cited = (Cited("a", "Fargo", contribution=3.0), Cited("b", "Heat", contribution=second))
        several = (Samples(NarrationRequest(Evidence(str(n), Item("i", "Alien"), cited))) for n in range(20))
        return any("most" in frame for samples in several for frame in samples.frames)

    assert weighs_most(0.2)
    assert not weighs_most(2.9)


def wordings(samples: Samples) -> Iterator[str]:
    yield from (*samples.whole, *samples.beginnings, *samples.frames)
    for several in (*samples.parts.values(), *samples.facts):
        yield from several


def test_long_names_and_many_facts_stay_within_bounds() -> None:
    long = "The Complete and Unabridged Illustrated Collector's Edition of Everything " * 3
    one = evidence()
    cited = tuple(replace(other, title=f"{other.title} {long}") for other in one.cited)
    many = replace(one, item=replace(one.item, title=f"A {long}"), cited=cited, facts=one.facts * 9)
    (request,) = planned_requests([many])
    assert sum(map(len, wordings(Samples(request)))) < 6000


def test_the_nearest_keeps_what_was_read() -> None:
    (request,) = planned_requests([evidence()])
    samples = Samples(request)
    assert samples.chosen == ('"Fargo"',)
    near = samples.nearest('As you loved "Fargo", you may like "Film number 0".')
    assert near.startswith('Since you chose "Fargo", you may like "Film number 0"')
    lead = 'We propose "Film number 0" to you, having picked "Fargo".'
    kept = samples.nearest(f"{lead.removesuffix('.')}; both are gems by Coen.", lead=lead)
    assert kept.startswith(lead.removesuffix("."))
    assert audit(kept, request.evidence) == []
