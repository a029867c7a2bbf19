"""A request as a chat server's LLM gets it: the facts, which ways of saying them the audit reads, and a retry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmrec.reasons.audit import audit
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.plan import MOST_LETTERS, MOST_WORDS
from llmrec.reasons.request import NarrationRequest, prompt_of
from llmrec.reasons.samples import Samples
from llmrec.reasons.stated import joints_of, split_endings
from llmrec.reasons.statements.grammar import grammar_of

# Of a first try with more joints only the last ones may be where the part begins that was not read.
_MOST_JOINTS = 8


def chat_messages(request: NarrationRequest) -> list[dict[str, str]]:
    """Write a request as ``role, content``, with samples of what the audit reads; see ``Samples``.

    A retry repeats the first try, says what was wrong and which part was not read, and shows the nearest sample.

    >>> from llmrec.reasons import Cited, Evidence, Item
    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> [message["role"] for message in chat_messages(NarrationRequest(one))]
    ['system', 'user']
    """
    samples, phrases, grammar = Samples(request), Phrases.load(request.language), grammar_of(request.language)
    values = {
        "item": samples.item,
        "chosen": phrases.listed(samples.chosen),
        "rival": samples.rival,
        "tone": request.tone,
        "form": request.form,
        "least": grammar.shortest,
        "most": MOST_WORDS if request.language == "en" else MOST_LETTERS,
        "whole": samples.whole,
        "beginnings": samples.beginnings,
        "frames": samples.frames,
        "parts": samples.parts,
        "facts": samples.facts,
        "labels": grammar.labels,
        "joints": [joint.strip() for joint in joints_of(phrases, request.form)],
    }
    turns = prompt_of("explain-chat", request.language).messages(**values)
    if not request.faults:
        return turns
    refused, nearest = _refused(request, samples, phrases)
    values = {"faults": list(request.faults), "refused": refused, "nearest": nearest}
    retry = prompt_of("explain-chat-retry", request.language).render("user", **values)
    return [*turns, {"role": "assistant", "content": request.said}, {"role": "user", "content": retry}]


def _refused(request: NarrationRequest, samples: Samples, phrases: Phrases) -> tuple[str, str]:
    """Return the part of a first try that was not read, and the sample that is nearest to it."""
    said, evidence, language = request.said, request.evidence, request.language
    if request.form == "sentence":
        lead, endings = split_endings(said, evidence, language=language)
        if endings:
            return lead, samples.nearest(said, endings=endings)
        for joint in _joints_in(said, phrases):
            lead = said[: joint.start()] + phrases.end
            if not audit(lead, evidence, language=language):
                return said[joint.end() :], samples.nearest(said, lead=lead)
    return said, samples.nearest(said)


def _joints_in(text: str, phrases: Phrases) -> Iterator[re.Match[str]]:
    """Yield where a joint stands in a text, the last first."""
    joints = list(re.finditer("|".join(map(re.escape, phrases.joints)), text))
    yield from reversed(joints[-_MOST_JOINTS:])
