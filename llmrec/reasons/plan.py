"""Decide before words what each reason of a list says: which facts, in which order and form, few of them twice."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from llmrec.prompting import Language
from llmrec.reasons.claims import read
from llmrec.reasons.clauses import Clause, Clauses, capitalized
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.fact import Fact
from llmrec.reasons.phrases import Phrases, is_far
from llmrec.reasons.request import ReasonForm
from llmrec.reasons.stated import joints_of
from llmrec.reasons.themes import possible_themes, settled
from llmrec.reasons.worth import says_the_same, signature, worth_of

MOST_WORDS, MOST_LETTERS = 35, 90
# What is said of another item than the strongest is less of a reason.
_OF_ANOTHER = 0.6
_AGAIN_FACT, _AGAIN_KIND, _AGAIN_FORM = 5.0, 1.2, 3.0
_OPENINGS_TRIED, _SHORTEST_TRIED, _ENDINGS_TRIED = 7, 3, 5
_OPENING_WORTH = {"most": 1.0, "latest": 0.8, "two": 0.7, "two_little": 0.7}
_BY_CHANCE = 2.0
_COMFORTABLE, _PER_WORD = 20, 0.2
# Two numbers, a third clause, a pronoun after another title make a reason worse; none without a fact is told if
# there is one with a fact, none too long if there is a shorter one.
_NUMERIC = frozenset(
    ("rank", "rank_two", "together", "either", "next", "taste", "streak", "lately", "popular", "price", "rhythm")
)
_TWO_NUMBERS, _LONG, _UNCLEAR, _NO_FACT, _TOO_LONG = 1.5, 2.5, 2.5, 100.0, 200.0
_SAME_KIND = 5.0
# So often a list says that without a choice something would not be among the first hundred.
_MOST_FAR = 3
# What titles have in common explains what stands before it.
_IN_COMMON = frozenset(("same", "kin", "mix", "era", "words", "link", "sequel", "prequel"))


@dataclass(frozen=True)
class ReasonPlan:
    """What a reason says: its clauses, opening first, in words.

    ``themes``: headings that it could stand under, ``theme``: the one that fits its list.
    """

    clauses: tuple[Clause, ...]
    text: str
    themes: tuple[str, ...] = ()
    theme: str = ""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts that it tells, in order."""
        return tuple(clause.fact for clause in self.clauses if clause.fact is not None)

    @property
    def forms(self) -> tuple[str, ...]:
        """The names of its skeletons."""
        return tuple(clause.form for clause in self.clauses)


def plan_reasons(
    evidence: Sequence[Evidence], language: Language = "en", form: ReasonForm = "sentence"
) -> list[ReasonPlan | None]:
    """ReasonPlan a reason for each; None where a rival asks for a comparison, which skeletons do not make.

    The reasons of one user are a list: what one of them says, and how, counts against the next. The same list
    always gets the same words.
    """
    phrases = Phrases.load(language)
    lists: dict[str, _Variety] = {}
    plans = [lists.setdefault(one.user_id, _Variety()).plan(one, phrases, form) for one in evidence]
    of_user: dict[str, list[tuple[int, ReasonPlan]]] = {}
    for n, (one, plan) in enumerate(zip(evidence, plans, strict=True)):
        if plan is not None:
            of_user.setdefault(one.user_id, []).append((n, plan))
    for rows in of_user.values():
        for (n, plan), theme in zip(rows, settled([plan.themes for _, plan in rows]), strict=True):
            plans[n] = replace(plan, theme=theme)
    return plans


def best_ending(text: str, one: Evidence, language: Language = "en") -> str | None:
    """Return a narrator's sentence with the fact most worth telling of the items that it names.

    None where it ends in no full stop, would become too long, or there is nothing to tell.
    """
    phrases = Phrases.load(language)
    mentioned = read(text, one, language).mentioned
    named = tuple(other.item_id for n, other in enumerate(one.cited, start=1) if n in mentioned)
    if not text.endswith(phrases.end) or 0 not in mentioned or not named:
        return None
    variety, clauses = _Variety(), Clauses(one, phrases)
    lead = Clause(text.removesuffix(phrases.end), "strong", "narrated", named)
    for ending in variety.best_endings(clauses, lead):
        fact = ending.fact
        if fact is None or fact.is_plain or any(value.lower() in text.lower() for value in fact.values):
            continue
        longer = written(phrases, "sentence", lead, [ending], variety.joints(phrases, "sentence", lead, [ending]))
        if length_of(longer, phrases) <= 1:
            return longer
    return None


def joined(phrases: Phrases, form: ReasonForm, opening: Clause, endings: Sequence[Clause]) -> str:
    """Write clauses as one reason, with joints that read well."""
    return written(phrases, form, opening, endings, _Variety().joints(phrases, form, opening, endings))


def length_of(text: str, phrases: Phrases) -> float:
    """Return how long a reason is as a share of what is read at most: 35 words, or 90 letters of Chinese."""
    return len(text.split()) / MOST_WORDS if phrases.language == "en" else len(text) / MOST_LETTERS


class _Variety:
    """What a list has said so far: facts, their kinds, and forms."""

    def __init__(self) -> None:
        self.facts: Counter[tuple[object, ...]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.forms: Counter[str] = Counter()

    def plan(self, one: Evidence, phrases: Phrases, form: ReasonForm) -> ReasonPlan | None:
        """Choose the best plan for an item after those before it."""
        clauses = Clauses(one, phrases)
        best = max(self._candidates(clauses, form), key=lambda scored: scored[0], default=None)
        if best is None:
            return None
        for clause in best[1].clauses:
            self.forms[clause.form] += 1
            self.kinds[clause.kind] += 1
            if clause.fact is not None:
                self.facts[signature(clause.fact)] += 1
        self.forms[best[2]] += 1
        return best[1]

    def _candidates(self, clauses: Clauses, form: ReasonForm) -> Iterator[tuple[float, ReasonPlan, str]]:
        """Yield plans with what they are worth and the joint that they use."""
        phrases = clauses.phrases
        strongest = next(iter(clauses.weights), None)
        openings = list(clauses.openings())
        # An earlier choice of the item itself is never left out, else the strongest item is not.
        again = [one for one in openings if one.kind == "again"]
        openings = (
            again or [one for one in openings if strongest is None or one.named[:1] == (strongest,)] or openings
        )
        scored = sorted(
            ((self._worth(one, clauses, opens=True), one) for one in openings), key=lambda pair: -pair[0]
        )
        # Of long names the best openings leave no room; the others stand alone, where all else would be too long.
        shortest = sorted(openings, key=lambda one: length_of(one.text, phrases))[:_SHORTEST_TRIED]
        for n, (worth, opening) in enumerate(scored):
            endings = self.best_endings(clauses, opening) if n < _OPENINGS_TRIED or opening in shortest else []
            pairs = [(*some,) for some in product(endings, endings) if _go_together(*some)]
            for some in [(), *((one,) for one in endings), *pairs]:
                joints = self.joints(phrases, form, opening, some)
                text = written(phrases, form, opening, some, joints)
                length = length_of(text, phrases)
                value = worth + sum(self._worth(one, clauses) * (1, 0.5)[k] for k, one in enumerate(some))
                value -= _PER_WORD * max(0.0, length * MOST_WORDS - _COMFORTABLE)
                value -= _TOO_LONG * (length > 1 and form == "sentence")
                value -= self._faults(clauses, opening, some) + (
                    _LONG if len(some) > 1 and form == "sentence" else 0.0
                )
                plan = ReasonPlan((opening, *some), text, possible_themes(clauses, opening, some))
                yield value, plan, joints[0] if joints else ""

    def _faults(self, clauses: Clauses, opening: Clause, endings: Sequence[Clause]) -> float:
        """Return what a reason loses by numbers upon numbers, an "it" for another title, no fact at all."""
        said = [one for one in (opening, *endings) if one.fact is not None and not one.fact.is_plain]
        telling = [
            one
            for one in said
            if one.fact and not (is_far(one.fact) and self.facts[signature(one.fact)] >= _MOST_FAR)
        ]
        loss = 0.0 if telling else _NO_FACT
        loss += _SAME_KIND * sum(_family(one) == _family(opening) for one in endings)
        loss += _TWO_NUMBERS * max(0, sum(one.kind in _NUMERIC for one in said) - 1)
        item = clauses.names[clauses.evidence.item.item_id]
        last = max([item, *(clauses.names[one] for one in opening.named)], key=opening.text.rfind)
        return loss + (
            _UNCLEAR if last != item and any(clauses.phrases.has_pronoun(one.text) for one in endings) else 0.0
        )

    def best_endings(self, clauses: Clauses, opening: Clause) -> list[Clause]:
        """Return one ending for each of the facts most worth telling after an opening."""
        scored = [(self._worth(one, clauses), one) for one in clauses.endings(opening.named)]
        best: dict[tuple[object, ...], tuple[float, Clause]] = {}
        for worth, one in scored:
            assert one.fact is not None
            key = signature(one.fact)
            if (opening.fact is None or key != signature(opening.fact)) and (
                key not in best or worth > best[key][0]
            ):
                best[key] = worth, one
        ordered = sorted(best.values(), key=lambda pair: -pair[0])
        return [one for _, one in ordered[:_ENDINGS_TRIED]]

    def _worth(self, clause: Clause, clauses: Clauses, *, opens: bool = False) -> float:
        worth = _OPENING_WORTH.get(clause.kind, 0.0) if opens else 0.0
        fact = clause.fact
        if fact is not None:
            worth += worth_of(fact)
            if fact.item_ids and next(iter(clauses.weights), None) not in fact.item_ids:
                worth *= _OF_ANOTHER
            worth -= _AGAIN_FACT * self.facts[signature(fact)] * says_the_same(fact)
        worth -= _AGAIN_KIND * self.kinds[clause.kind] + _AGAIN_FORM * self.forms[clause.form]
        return worth + _BY_CHANCE * _chance(clauses.evidence, clause.form)

    def joints(
        self, phrases: Phrases, form: ReasonForm, opening: Clause, endings: Sequence[Clause]
    ) -> tuple[str, ...]:
        """Return the joint before each ending: seldom used ones first, none twice, none that reads badly."""
        known = joints_of(phrases, form)
        chosen: list[str] = []
        for ending in endings:
            bad = {joint for joint in phrases.once if joint in opening.text or joint in ending.text}
            if ending.text.startswith(phrases.soft_starts):
                bad.update(phrases.hard)
            if ending.kind not in _IN_COMMON:
                bad.update(phrases.explaining)
            fitting = [joint for joint in known if joint not in bad]
            fresh = [joint for joint in fitting if joint not in chosen] or fitting
            key = f"{opening.form}{ending.form}"
            scored = {joint: self.forms[joint] - _chance_of(f"{key}{joint}") for joint in fresh}
            chosen.append(min(fresh, key=lambda joint: scored[joint]))
        return tuple(chosen)


def _family(clause: Clause) -> str:
    """Return the kind of a clause; ranks without one item and without two are of one."""
    return "rank" if clause.kind == "rank_two" else clause.kind


def _go_together(one: Clause, other: Clause) -> bool:
    """Whether two endings say different things: other kinds, and no attribute twice."""
    if one.fact is None or other.fact is None or _family(one) == _family(other):
        return False
    return not (set(one.fact.values) & set(other.fact.values))


def written(
    phrases: Phrases, form: ReasonForm, opening: Clause, endings: Sequence[Clause], joints: Sequence[str]
) -> str:
    """Write clauses as one reason."""
    text = capitalized(opening.text)
    for joint, ending in zip(joints, endings, strict=True):
        text += joint + (ending.text if form == "sentence" else capitalized(ending.text))
    return text + phrases.end


def _chance(evidence: Evidence, form: str) -> float:
    first = evidence.cited[0].item_id if evidence.cited else ""
    return _chance_of(f"{evidence.item.item_id}|{first}|{form}")


def _chance_of(key: str) -> float:
    """Return a number from 0 to 1 that looks random and is always the same for a key."""
    return zlib.crc32(key.encode()) / 2**32
