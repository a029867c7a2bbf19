"""Everything that may truly be said of a recommendation in the words of the skeletons: openings and endings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmrec.reasons.evidence import Evidence, Weight
from llmrec.reasons.fact import Fact
from llmrec.reasons.fact_checks import holds
from llmrec.reasons.names import is_service, names_of
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.statements.checking import STRONG
from llmrec.reasons.title_runs import spaced

_OPENING_KINDS = frozenset(
    ("rank", "rank_two", "only", "together", "either", "next", "sequel", "prequel"),
)
# What a fact says of every cited item that has it, not of one.
_OF_MANY = frozenset(("same", "kin", "mix", "era"))
_OF_NONE = frozenset(("taste", "streak", "lately", "popular", "price", "rhythm"))
# What a fact says of several cited items together; its openings have room for two names.
_OF_SEVERAL = frozenset(("rank_two", "only", "either"))


@dataclass(frozen=True)
class Clause:
    """A skeleton filled in. ``form`` names the skeleton, ``named`` the cited items that it names, by id."""

    text: str
    kind: str
    form: str
    named: tuple[str, ...] = ()
    fact: Fact | None = None


class Clauses:
    """The true clauses of one evidence; a fact that its evidence does not hold makes none."""

    def __init__(self, evidence: Evidence, phrases: Phrases) -> None:
        self.evidence, self.phrases = evidence, phrases
        self.names = {item: phrases.quoted(name) for item, name in names_of(evidence).items()}
        self.facts = [fact for fact in evidence.facts if holds(fact, evidence)]
        self.weights = self._weights()

    def _weights(self) -> dict[str, Weight]:
        """Return what the cited items weigh that can be named, strongest first, each name once.

        One of the recommended item's name is named only where nothing else can be: "you chose A, so we suggest A".
        So is postage, a discount or a fee, unless nothing else has half of the strongest one's effect.
        """
        one, names = self.evidence, {self.names[self.evidence.item.item_id]}
        weights: dict[str, Weight] = {}
        others = [(n, item.item_id) for n, item in enumerate(one.cited) if item.item_id != one.item.item_id]
        bought = [(n, item) for n, item in others if not is_service(one.cited[n].title)]
        if any(one.cited[n].contribution >= STRONG * one.cited[0].contribution for n, _ in bought):
            others = bought
        for n, item in others:
            weight = one.weight(n)
            if weight != "none" and self.names[item] not in names:
                weights[item] = weight
                names.add(self.names[item])
        return weights or {item: one.weight(n) for n, item in others[:1]}

    def openings(self) -> Iterator[Clause]:
        """Yield every opening: it names the suggested item and what moved it, or says that nothing did."""
        if self.evidence.rival is not None:
            return
        if not self.evidence.cited:
            yield from self._opening("general")
        if self.evidence.chosen_earlier:
            yield from self._opening("again")
        latest = {item for fact in self.facts if fact.kind == "latest" for item in fact.item_ids}
        falls = {item.item_id: item.contribution for item in self.evidence.cited}
        for n, (one, weight) in enumerate(self.weights.items()):
            # What has less than half of the strongest one's effect is not the reason, whatever else is left out.
            if weight == "little" or (n and falls[one] < STRONG * self.evidence.cited[0].contribution):
                continue
            yield from self._opening("strong", (one,))
            if weight == "most":
                yield from self._opening("most", (one,))
            if one in latest:
                yield from self._opening("latest", (one,))
            for other, weighs in list(self.weights.items())[n + 1 :]:
                if weighs in ("strong", "also"):
                    yield from self._opening("two", (one, other))
                elif weight == "most" and weighs == "little":
                    yield from self._opening("two_little", (one, other))
        for fact in self.facts:
            can_open = fact.kind in _OPENING_KINDS and len(fact.item_ids) <= len("ab")
            if can_open and all(item in self.weights for item in fact.item_ids):
                yield from self._opening(fact.kind, fact.item_ids, fact)

    def endings(self, named: Sequence[str]) -> Iterator[Clause]:
        """Yield every ending after an opening that names the cited items ``named``."""
        for fact in self.facts:
            key = self._key_of(fact)
            if key not in self.phrases.endings:
                continue
            ending = self.phrases.endings[key]
            if fact.kind in _OF_NONE:
                yield from self._ending(fact, f"{key}.plain", ending.plain, ())
            elif named and self._is_of(fact, named):
                yield from self._ending(fact, f"{key}.plain", ending.plain, (), n_items=len(named) + 1)
            for item in () if fact.kind in _OF_SEVERAL else fact.item_ids:
                if item in self.weights and item not in named:
                    yield from self._ending(fact, f"{key}.named", ending.named, (item,))

    def _key_of(self, fact: Fact) -> str:
        """Return which endings a fact has: others for words of a title that its name here leaves out."""
        names = (self.names[item].lower() for item in (self.evidence.item.item_id, *fact.item_ids))
        if fact.kind == "words" and not all(spaced(fact.values[0]) in spaced(name) for name in names):
            return "words_in_full"
        return self.phrases.key_of(fact)

    def _is_of(self, fact: Fact, named: Sequence[str]) -> bool:
        if fact.kind in _OF_MANY:
            return set(named) <= set(fact.item_ids)
        return tuple(named) == fact.item_ids

    def _opening(self, kind: str, named: tuple[str, ...] = (), fact: Fact | None = None) -> Iterator[Clause]:
        letters = dict(zip("ab", (self.names[item] for item in named), strict=False))
        values = self.phrases.values_of(fact, 2) if fact else {}
        form = self.phrases.key_of(fact) if fact else kind
        if form not in self.phrases.openings:
            return
        yield from self._filled(
            self.phrases.openings[form], kind, form, {**values, **letters, "item": self._item}, named, fact
        )

    def _ending(
        self, fact: Fact, form: str, skeletons: Sequence[str], named: tuple[str, ...], n_items: int = 2
    ) -> Iterator[Clause]:
        values = self.phrases.values_of(fact, n_items)
        if named:
            values["c"] = self.names[named[0]]
        yield from self._filled(skeletons, fact.kind, form, values, named, fact)

    def _filled(
        self,
        skeletons: Sequence[str],
        kind: str,
        form: str,
        values: Mapping[str, str],
        named: tuple[str, ...],
        fact: Fact | None,
    ) -> Iterator[Clause]:
        for n, skeleton in enumerate(skeletons):
            yield Clause(skeleton.format_map(values), kind, f"{form}.{n}", named, fact)

    @property
    def _item(self) -> str:
        return self.names[self.evidence.item.item_id]


def capitalized(text: str) -> str:
    """Return a clause as the beginning of a sentence."""
    return text[:1].upper() + text[1:]
