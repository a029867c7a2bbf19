"""Turn requests into words: the one interface of all backends, the template, and an LLM on this machine."""

from __future__ import annotations

from typing import Protocol

from llmrec.llm.chat import Chat
from llmrec.reasons.explanations import TEMPLATE
from llmrec.reasons.plan import best_ending
from llmrec.reasons.request import NarrationRequest


class Narrator(Protocol):
    """Anything that words evidence. ``backend`` says in the table who wrote a sentence.

    >>> TemplateNarrator().backend
    'template'
    """

    @property
    def backend(self) -> str:
        """A short name such as "llm"."""

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Write one reason for each request, in order; None where nothing came back."""


class TemplateNarrator:
    """Words evidence without any LLM; every sentence passes the audit.

    >>> from llmrec.reasons import Cited, Evidence, Item
    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> TemplateNarrator().narrate([NarrationRequest(one)])
    ['Because you chose "Blade Runner", which weighs most here, we suggest "Alien".']
    """

    backend = TEMPLATE

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Write one reason for each request, in order; what varies are the facts."""
        return [request.plain() for request in requests]


class LocalNarrator:
    """Words evidence by a causal LLM on this machine: greedy, batched, without any adapter.

    ``base`` is a local folder, a known name or a hub id of a model with a chat template. It is loaded at the
    first use, on this machine's accelerator if it has one, and kept. In quotation marks it can write nothing
    but titles of the evidence. Evidence without a cited item gives it nothing to tell: ``explain`` hands it none.
    A small model copies titles reliably and numbers not: its sentence goes on with the fact most worth telling of
    the items that it named, in the words of the skeletons.

    >>> LocalNarrator("smollm2-135m").backend
    'llm'
    """

    backend = "llm"

    def __init__(self, base: str, *, max_new_tokens: int = 80, batch: int = 16) -> None:
        self.chat = Chat(base, max_new_tokens=max_new_tokens, batch=batch)

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Write one reason for each request, in order. Raises ModelError for a model without a chat template."""
        answers = self.chat.answer(
            [request.messages() for request in requests], quotes=[request.quotes() for request in requests]
        )
        return [_with_fact(first_line(answer), request) for answer, request in zip(answers, requests, strict=True)]


def _with_fact(text: str, request: NarrationRequest) -> str:
    if request.form != "sentence" or request.evidence.rival is not None:
        return text
    return best_ending(text, request.evidence, request.language) or text


def first_line(answer: str) -> str:
    """Return the first line that holds anything: small models go on with a dialogue of their own."""
    return next((line.strip() for line in answer.splitlines() if line.strip()), "")
