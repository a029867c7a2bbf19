"""Ways of saying one reason that the audit reads, made of its skeletons and phrases with the real names in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import accumulate, product

from llmrec.prompting import one_line
from llmrec.reasons.clauses import Clause, Clauses, capitalized
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.plan import joined, length_of
from llmrec.reasons.request import NAMED, NarrationRequest
from llmrec.reasons.stated import stated
from llmrec.reasons.statements.grammar import grammar_of
from llmrec.reasons.statements.offered import OfferedPhrases, chance

# So many of each are shown, and no more characters of them together: names may have a hundred.
_BEGINNINGS, _WORDINGS, _WHOLE, _FRAMES, _PARTS = 5, 3, 2, 2, 4
_MOST_CHARACTERS = 1500
# What the phrases of a beginning are made of: a reason may be made of a premise.
_LABELED = ("suggestion", "reason", "premise")
_WORDS = re.compile(r"[\u4e00-\u9fff]|\w+|[^\w\s]")


@dataclass(frozen=True)
class Samples:
    """What may be said for one request: of the items that its plan names, with the facts that it tells.

    >>> from llmrec.reasons import Cited, Evidence, Item
    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> samples = Samples(NarrationRequest(one))
    >>> samples.item, samples.chosen
    ('"Alien"', ('"Blade Runner"',))
    >>> samples.nearest('The classic "Alien" is here because you chose "Blade Runner".')
    '"Alien" is here because you chose "Blade Runner".'
    """

    request: NarrationRequest

    @property
    def item(self) -> str:
        """The suggested item's name, quoted."""
        return self._clauses.names[self.request.evidence.item.item_id]

    @property
    def rival(self) -> str:
        """The name of what is not suggested, quoted, or an empty text."""
        rival = self.request.evidence.rival
        return self._clauses.names[rival.item_id] if rival else ""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of the choices that the reason rests on, quoted."""
        return tuple(self._clauses.names[one] for one in self._named)

    @property
    def beginnings(self) -> list[str]:
        """How the reason may begin, word for word."""
        return self._some([capitalized(one.text) for one in self._openings], _BEGINNINGS)

    @property
    def facts(self) -> list[list[str]]:
        """For each fact how it may be told after a beginning, word for word."""
        capital: Callable[[str], str] = str if self.request.form == "sentence" else capitalized
        several = [[capital(one.text) for one in self._endings if one.fact == fact] for fact in self.request.facts]
        return [self._some(wordings, _WORDINGS) for wordings in several if wordings]

    @property
    def whole(self) -> list[str]:
        """Some whole reasons, the planned one first."""
        with_fact = [self._joined(opening, ending) for opening, ending in self._pairs if ending or opening.fact]
        rest = [one for one in self._short(with_fact) or self._reasons if one != self.request.planned]
        return _within([self.request.plain(), *sorted(rest, key=self._chance)[: _WHOLE - 1]])

    @property
    def frames(self) -> list[str]:
        """How a beginning may be put together of ``parts``; none for a paragraph, which is read as skeletons."""
        if self.request.form != "sentence":
            return []
        whole = self._offered.of("part")
        if self.rival:
            # It must be said what it is rather than, which is read at the end of a sentence.
            return [frame for frame in whole if frame.endswith(self._labels["suggestion"])][:_FRAMES]
        return [*whole[:_FRAMES], *self._offered.of("statement")[:_FRAMES]]

    @property
    def parts(self) -> dict[str, list[str]]:
        """What the labels in ``frames``, and in these parts themselves, stand for."""
        parts: dict[str, list[str]] = {}
        said = " ".join(self.frames)
        for make in _LABELED:
            if self._labels[make] in said:
                parts[self._labels[make]] = self._offered.of(make)[:_PARTS]
                said = " ".join([said, *parts[self._labels[make]]])
        return parts

    def nearest(self, text: str, *, lead: str = "", endings: Sequence[Clause] = ()) -> str:
        """Return the reason most like a text; of its own ``lead`` or ``endings``, where these were read."""
        reasons = self._reasons
        if lead:
            opening = Clause(lead.removesuffix(self._phrases.end), "strong", "narrated", self._named)
            reasons = [self._joined(opening, one) for one in (None, *self._endings)]
        elif endings:
            reasons = [self._joined(one, *endings) for one in self._openings]
        words = _WORDS.findall(text)
        return max(
            reasons or [self.request.plain()],
            key=lambda one: SequenceMatcher(None, words, _WORDS.findall(one), autojunk=False).ratio(),
        )

    @cached_property
    def _phrases(self) -> Phrases:
        return Phrases.load(self.request.language)

    @property
    def _labels(self) -> Mapping[str, str]:
        return grammar_of(self.request.language).labels

    @cached_property
    def _clauses(self) -> Clauses:
        return Clauses(self.request.evidence, self._phrases)

    @cached_property
    def _named(self) -> tuple[str, ...]:
        """The choices that the plan's opening names; without a plan the strongest, and one that weighs also."""
        request = self.request
        planned = stated(request.planned, request.evidence, language=request.language, form=request.form)
        if planned and planned[0].named:
            return planned[0].named
        weights = list(self._clauses.weights.items())[:NAMED]
        return tuple(one for n, (one, weight) in enumerate(weights) if not n or weight in ("strong", "also"))

    @cached_property
    def _openings(self) -> list[Clause]:
        return [
            one
            for one in self._clauses.openings()
            if one.named == self._named and (one.fact is None or one.fact in self.request.facts)
        ]

    @cached_property
    def _endings(self) -> list[Clause]:
        return [one for one in self._clauses.endings(self._named) if one.fact in self.request.facts]

    @cached_property
    def _pairs(self) -> list[tuple[Clause, Clause | None]]:
        """The openings, alone and with each ending that tells another fact."""
        pairs = product(self._openings, (None, *self._endings))
        return [
            (opening, ending)
            for opening, ending in pairs
            if ending is None or opening.fact is None or ending.fact != opening.fact
        ]

    @cached_property
    def _reasons(self) -> list[str]:
        return self._short([self._joined(*pair) for pair in self._pairs])

    def _short(self, reasons: Sequence[str]) -> list[str]:
        return [one for one in reasons if length_of(one, self._phrases) <= 1]

    def _joined(self, opening: Clause, *endings: Clause | None) -> str:
        clauses = [ending for ending in endings if ending is not None]
        return one_line(joined(self._phrases, self.request.form, opening, clauses))

    @cached_property
    def _offered(self) -> OfferedPhrases:
        evidence = self.request.evidence
        so = {"one" if len(self._named) == 1 else "two", "rather" if self.rival else "alone"}
        if [self._clauses.weights[one] for one in self._named] == ["most"]:
            so.add("most")
        latest = {item for fact in self._clauses.facts if fact.kind == "latest" for item in fact.item_ids}
        if not latest & set(self._named):
            so.add("earlier")
        columns = {name for item in (evidence.item, *evidence.cited) for name in item.metadata}
        return OfferedPhrases(grammar_of(self.request.language), so, columns, key=self._key)

    @property
    def _key(self) -> str:
        return f"{self.request.evidence.user_id}|{self.request.evidence.item.item_id}"

    def _chance(self, text: str) -> int:
        return chance(self._key, text)

    def _some(self, texts: Sequence[str], most: int) -> list[str]:
        return _within(sorted(dict.fromkeys(map(one_line, texts)), key=self._chance)[:most])


def _within(texts: Sequence[str]) -> list[str]:
    """Return the first texts, as many as may be shown together, but one at least."""
    sizes = accumulate(map(len, texts))
    return [
        text for n, (text, size) in enumerate(zip(texts, sizes, strict=True)) if not n or size <= _MOST_CHARACTERS
    ]
