"""One reason to be written: its evidence, how it should be said, and what was wrong with a first try."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from llmrec.llm.constrained import Quotes
from llmrec.prompting import Language, Prompt
from llmrec.reasons.evidence import Cited, Evidence
from llmrec.reasons.fact import Fact
from llmrec.reasons.statements.checking import STRONG
from llmrec.reasons.wording import QUOTES, listed, quoted, spoken

ReasonForm = Literal["sentence", "paragraph"]

# A small model copies two titles reliably; with three it often invents or swaps one.
NAMED = 2


@dataclass(frozen=True)
class NarrationRequest:
    """What a narrator gets. ``said`` and ``faults``: its first try and what the audit objected to, else empty.

    ``planned``: the reason as skeletons say it, with the ``facts`` that it tells and a ``theme``; see ``plan``.

    >>> from llmrec.reasons import Cited, Item
    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> NarrationRequest(one).plain()
    'Because you chose "Blade Runner", which weighs most here, we suggest "Alien".'
    """

    evidence: Evidence
    language: Language = "en"
    form: ReasonForm = "sentence"
    tone: str = "plain"
    said: str = ""
    faults: tuple[str, ...] = ()
    planned: str = ""
    facts: tuple[Fact, ...] = ()
    theme: str = ""

    def messages(self) -> list[dict[str, str]]:
        """Write the request for a chat LLM, as ``role, content``."""
        values = prompt_values(self, named=NAMED)
        turns = prompt_of(self._prompt_name(values), self.language).messages(**values)
        if not self.faults:
            return turns
        retry = prompt_of("explain-retry", self.language).render("user", faults=list(self.faults))
        return [*turns, {"role": "assistant", "content": self.said}, {"role": "user", "content": retry}]

    def quotes(self) -> Quotes:
        """Say which titles may stand in quotation marks."""
        evidence = self.evidence
        items = [evidence.item, *evidence.cited, *([evidence.rival] if evidence.rival else [])]
        opening, closing = QUOTES[self.language]
        titles = tuple(dict.fromkeys(spoken(item.title) for item in items))
        return Quotes(opening, closing, titles, once=self.form == "sentence")

    def plain(self) -> str:
        """Write the reason without an LLM."""
        return self.planned or prompt_of("reason", self.language).render("answer", **prompt_values(self))

    def _prompt_name(self, values: dict[str, object]) -> str:
        if self.evidence.rival is not None:
            return "explain-contrast"
        if self.form == "paragraph":
            return "explain-paragraph"
        return "explain-shared" if values["shared"] else "explain"


def prompt_values(request: NarrationRequest, *, named: int | None = None) -> dict[str, object]:
    """Return what a prompt may say.

    ``item``, ``chosen`` (the ``named`` strongest), ``count`` of them, ``shared`` genre, ``rival``, ``tone``, and
    for a paragraph ``people`` (``item, chose, both``): of those who chose a cited item, how many also chose this.
    """
    one, language = request.evidence, request.language
    # Two releases under one title are named once.
    distinct = {spoken(other.title): other for other in reversed(one.cited)}
    cited = list(reversed(distinct.values()))[:named]
    if named is None:
        # The template says that they weigh most: none does that has less than half of the strongest one's effect.
        cited = [other for other in cited if other.contribution >= STRONG * cited[0].contribution]
    shared = [genre for genre in one.item.genres if cited and all(genre in other.genres for other in cited)]
    return {
        "item": quoted(one.item.title, language),
        "chosen": listed([quoted(other.title, language) for other in cited], language),
        "count": len(cited),
        "shared": shared[0] if shared else "",
        "rival": quoted(one.rival.title, language) if one.rival else "",
        "people": _people(one, cited, language) if request.form == "paragraph" else "",
        "tone": request.tone,
    }


def _people(one: Evidence, cited: list[Cited], language: Language) -> object:
    """Return the cited item that most often goes with the recommended one; an empty text for none."""
    titles = {other.item_id: other.title for other in cited if spoken(other.title) != spoken(one.item.title)}
    known = [fact for fact in one.together if fact.item_id in titles]
    if not known:
        return ""
    best = max(known, key=lambda fact: fact.both / fact.chose)
    return {"item": quoted(titles[best.item_id], language), "chose": best.chose, "both": best.both}


@lru_cache(maxsize=32)
def prompt_of(name: str, language: Language) -> Prompt:
    """Load a prompt once."""
    return Prompt.load(name, language)
