"""Explain recommendations: evidence, words from it, an audit, and plain words where that fails twice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args
from weakref import WeakKeyDictionary

import polars as pl

from llmrec.data.columns import ITEM, RANK, USER
from llmrec.data.ids import id_column, id_of, ids_of
from llmrec.data.readers.frames import to_polars
from llmrec.errors import DataError, ModelError, PromptError
from llmrec.models.arguments import HistoriesLike, note_unknown_items, read_as_histories
from llmrec.models.ranker import Ranker
from llmrec.prompting import Language, one_line
from llmrec.reasons.audit import audit
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.explanations import TEMPLATE, Explanation, Explanations
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import add_facts
from llmrec.reasons.listed import as_listed
from llmrec.reasons.narrate import LocalNarrator, Narrator, TemplateNarrator
from llmrec.reasons.occlusion import occlusion
from llmrec.reasons.plan import ReasonPlan, plan_reasons
from llmrec.reasons.request import NarrationRequest, ReasonForm
from llmrec.reasons.stated import split_endings
from llmrec.reasons.tellable import add_tellable

log = logging.getLogger(__name__)

NO_ANSWER = "the backend gave no answer"
# What a model said is handed back to it once; nobody needs more of nonsense.
_LONGEST_QUOTE, _LONGEST_FAULT = 600, 200
# The narrator of each model's base LLM, as long as the model lives: loading an LLM takes longer than a call.
_NARRATORS: WeakKeyDictionary[Ranker, LocalNarrator] = WeakKeyDictionary()


def explain(
    model: Ranker,
    recs: object,
    histories: HistoriesLike,
    *,
    narrator: Narrator | None = None,
    language: Language = "en",
    form: ReasonForm = "sentence",
    tone: str = "plain",
    instead: str | Sequence[str] | None = None,
) -> Explanations:
    """Say why each item of ``recs`` (``user_id, item_id``, perhaps ``rank``) was recommended.

    Returns one explanation for each, in order: a sentence, the evidence it rests on, who wrote it, and what
    the audit objected to; ``Explanations.table`` is all of it as a table.

    ``form`` "paragraph" asks for up to three sentences. ``instead``, an item for all rows or one for each,
    asks why not that one: evidence is then what moves the lead over it. ``tone`` is a word or two for an LLM.
    What a narrator writes is audited; what fails is asked for once more with the faults named, then replaced
    by the template's words, of which one warning says how often. ``narrator``: by default the template;
    ``base_narrator(model)`` is the model's base LLM, its adapter off. ``histories``: as for ``recommend``. An
    item that no history item helped gets a template sentence that says so; one whose own earlier choice is among
    the evidence gets the template's, too.
    Raises DataError for unknown users or items, PromptError for an unknown language or form.

    >>> from llmrec.data import Histories, toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> explain(model, model.recommend(histories, 1), histories)["sentence"][0]
    '...Film 03: Crimson Garden...'
    """
    table = _checked(recs)
    requests = reason_requests(model, table, histories, language=language, form=form, tone=tone, instead=instead)
    if RANK not in table.columns:
        table = table.with_columns(pl.int_range(1, pl.len() + 1).over(USER).alias(RANK))
    reasons = worded(requests, narrator or TemplateNarrator(), ranks=table[RANK].to_list())
    _say_refused(reasons)
    _say_unlisted(reasons)
    return Explanations(tuple(reasons), language, form)


def reason_requests(
    model: Ranker,
    recs: object,
    histories: HistoriesLike,
    *,
    language: Language = "en",
    form: ReasonForm = "sentence",
    tone: str = "plain",
    instead: str | Sequence[str] | None = None,
) -> list[NarrationRequest]:
    """Gather the evidence for each item of ``recs``, with how it is to be worded; see ``explain``."""
    check_wording(language, form)
    evidence = gathered(model, recs, histories, form=form, instead=instead)
    return planned_requests(evidence, language=language, form=form, tone=tone)


def gathered(
    model: Ranker,
    recs: object,
    histories: HistoriesLike,
    *,
    form: ReasonForm = "sentence",
    instead: str | Sequence[str] | None = None,
) -> list[Evidence]:
    """Gather the evidence for each item of ``recs`` with its facts, whatever it is worded in; see ``explain``.

    Where ``recs`` has ranks that are not the model's ranking, nothing is told of ranks.
    """
    table = _checked(recs)
    histories = read_as_histories(histories, model)
    note_unknown_items(histories, model.catalog)
    evidence = add_facts(occlusion(model, histories, table, instead=_rivals(instead, table, form)), model)
    evidence = add_tellable(evidence, model, histories)
    return as_listed(evidence, table[RANK].to_list()) if RANK in table.columns else evidence


def planned_requests(
    evidence: Sequence[Evidence], *, language: Language = "en", form: ReasonForm = "sentence", tone: str = "plain"
) -> list[NarrationRequest]:
    """Say of each evidence how it is to be worded: those of one user as one list; see ``explain``."""
    requests = [NarrationRequest(one, language, form, one_line(tone) or "plain") for one in evidence]
    plans = plan_reasons(evidence, language, form)
    return [_planned(request, plan) for request, plan in zip(requests, plans, strict=True)]


def _planned(request: NarrationRequest, plan: ReasonPlan | None) -> NarrationRequest:
    """Put a plan's words into a request, if they pass the audit as any others."""
    if plan is None or audit(plan.text, request.evidence, language=request.language, form=request.form):
        return request
    return replace(request, planned=plan.text, facts=plan.facts, theme=plan.theme)


def worded(
    requests: Sequence[NarrationRequest],
    narrator: Narrator,
    *,
    ranks: Sequence[int] | None = None,
    or_template: bool = False,
) -> list[Explanation]:
    """Have each request worded, and what is written audited; see ``explain``.

    ``ranks``: by default from 1. ``or_template``: the template's words also where the narrator cannot chat, which
    is logged, instead of a ModelError.
    """
    answers = [_Answer.plain(request) for request in requests]
    if not isinstance(narrator, TemplateNarrator):
        # An LLM names a title once in its sentence: of what speaks for itself it would cite lesser evidence.
        evidence = [request.evidence for request in requests]
        narrated = [n for n, one in enumerate(evidence) if one.cited and not one.chosen_earlier]
        try:
            written = _narrated(narrator, [requests[n] for n in narrated])
        except ModelError as error:
            if not or_template:
                raise
            log.warning("reasons are worded by the template: %s", error)
            written = [answers[n] for n in narrated]
        for n, answer in zip(narrated, written, strict=True):
            answers[n] = answer
    numbers = range(1, len(requests) + 1) if ranks is None else ranks
    return [
        Explanation(request.evidence, rank, words.text, words.backend, words.faults, words.facts, request.theme)
        for request, rank, words in zip(requests, numbers, answers, strict=True)
    ]


def check_wording(language: str, form: str) -> None:
    """Raise PromptError for an unknown language or form of reasons."""
    for value, known in ((language, Language), (form, ReasonForm)):
        if value not in get_args(known):
            raise PromptError(f"no reasons as '{value}'; choose {' or '.join(get_args(known))}")


@dataclass(frozen=True)
class _Answer:
    """Words, who wrote them, what the audit objected to in what was written first, and facts that they tell."""

    text: str
    backend: str
    faults: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()

    @classmethod
    def plain(cls, request: NarrationRequest, faults: tuple[str, ...] = ()) -> _Answer:
        """Return the plain words of a request."""
        return cls(request.plain(), TEMPLATE, faults, request.facts)


def _narrated(narrator: Narrator, requests: list[NarrationRequest]) -> list[_Answer]:
    """Ask for every request, once more for what fails the audit, and fall back to the plain words."""
    first = _audited(narrator, requests)
    again = [n for n, one in enumerate(first) if one.text and one.faults]
    retries = [replace(requests[n], said=_start_of(first[n].text), faults=first[n].faults) for n in again]
    second = dict(zip(again, _audited(narrator, retries), strict=True))
    pairs = zip(requests, first, strict=True)
    return [_settled(request, one, second.get(n)) for n, (request, one) in enumerate(pairs)]


def _start_of(text: str) -> str:
    return one_line(text[: 2 * _LONGEST_QUOTE])[:_LONGEST_QUOTE]


def _settled(request: NarrationRequest, first: _Answer, second: _Answer | None) -> _Answer:
    if not first.faults:
        return first
    if second is not None and not second.faults:
        return replace(second, faults=first.faults)
    faults = (*first.faults, *(second.faults if second else ()))
    return _Answer.plain(request, tuple(dict.fromkeys(faults)))


def _say_refused(reasons: Sequence[Explanation]) -> None:
    """Warn of reasons that the template words since the audit refused what a narrator wrote."""
    refused = [one for one in reasons if one.replaced and NO_ANSWER not in one.faults]
    if refused:
        log.warning(
            "%d of %d reasons are worded by the template: what was written did not pass the audit, e.g. %s",
            *(len(refused), len(reasons), one_line(refused[0].faults[0])[:_LONGEST_FAULT]),
        )


def _say_unlisted(reasons: Sequence[Explanation]) -> None:
    """Warn of items that no list of the model's holds, in general since they are in the history."""
    unlisted = [one.evidence for one in reasons if not one.evidence.rank]
    if unlisted:
        log.warning(
            "%d of %d items are in the history or removed, and in no list of the model's, e.g. '%s' for '%s'",
            *(len(unlisted), len(reasons), unlisted[0].item.item_id, unlisted[0].user_id),
        )


def _audited(narrator: Narrator, requests: list[NarrationRequest]) -> list[_Answer]:
    """Have each request answered, and each answer audited."""
    if not requests:
        return []
    texts = narrator.narrate(requests)
    if len(texts) != len(requests):
        written = f"{len(texts)} sentences for {len(requests)} reasons"
        raise ModelError(f"the narrator '{narrator.backend}' wrote {written}; it must write one for each")
    answers = []
    for request, text in zip(requests, texts, strict=True):
        faults = [NO_ANSWER]
        if text is not None:
            faults = audit(text, request.evidence, language=request.language, form=request.form)
        answers.append(_Answer(text or "", narrator.backend, tuple(faults), _facts_in(text, request, faults)))
    return answers


def _facts_in(text: str | None, request: NarrationRequest, faults: list[str]) -> tuple[Fact, ...]:
    """Return the facts that a narrator's sentence tells in the words of the skeletons."""
    if text is None or faults or request.form != "sentence":
        return ()
    _, endings = split_endings(text, request.evidence, language=request.language)
    return tuple(ending.fact for ending in endings if ending.fact is not None)


def _checked(recs: object) -> pl.DataFrame:
    table = to_polars(recs, label="recs")
    for column in (USER, ITEM):
        if column not in table.columns:
            raise DataError(f"recs: no column '{column}'; pass what model.recommend returned")
    ids = (id_column(table[name], name, label=f"recs: {name}") for name in (USER, ITEM))
    ranks = [pl.col(RANK).cast(pl.Int32)] if RANK in table.columns else []
    return table.select(*ids, *ranks)


def _rivals(instead: str | Sequence[str] | None, table: pl.DataFrame, form: ReasonForm) -> list[str] | None:
    if instead is None:
        return None
    if form != "sentence":
        raise PromptError("why one item rather than another is told in one sentence: leave form as it is")
    if isinstance(instead, str | int):
        rivals = [id_of(instead, label="instead")] * table.height
    else:
        rivals = ids_of(instead, label="instead")
    if len(rivals) != table.height:
        raise DataError(f"instead: {len(rivals)} items for {table.height} recommendations; give one for each")
    same = next((item for item, rival in zip(table[ITEM].to_list(), rivals, strict=True) if item == rival), None)
    if same is not None:
        raise DataError(f"instead: item '{same}' cannot be compared with itself")
    return rivals


def base_narrator(model: Ranker) -> LocalNarrator | None:
    """Return the narrator of a model's base LLM, its adapter off, loaded at its first use; None without one.

    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> base_narrator(MarkovRecommender().fit(toy_films())) is None
    True
    """
    base = model.narration_base
    if base is None:
        return None
    narrator = _NARRATORS.get(model)
    if narrator is None or narrator.chat.base != base:
        narrator = _NARRATORS[model] = LocalNarrator(base)
    return narrator
