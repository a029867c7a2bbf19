"""Explain recommendations: evidence, words from it, an audit, and plain words where that fails twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import get_args

import polars as pl

from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.data.readers.frames import to_polars
from llmrec.errors import DataError, ModelError, PromptError
from llmrec.models.base import Recommender
from llmrec.prompting import Language, one_line
from llmrec.reasons.audit import audit
from llmrec.reasons.evidence import Cited, Evidence, Item, Pair, Shared, Together
from llmrec.reasons.narrate import LocalNarrator, Narrator, TemplateNarrator
from llmrec.reasons.occlusion import occlusion
from llmrec.reasons.request import NarrationRequest, ReasonForm

_TEXT, _NUMBER, _COUNT = pl.String(), pl.Float64(), pl.Int64()
_SCHEMA: dict[str, pl.DataType] = {
    USER: _TEXT,
    ITEM: _TEXT,
    RANK: pl.Int32(),
    "sentence": _TEXT,
    "evidence": pl.List(pl.Struct({"item_id": _TEXT, "title": _TEXT, "contribution": _NUMBER})),
    "backend": _TEXT,
    "first_try": pl.Boolean(),
    "faults": pl.List(_TEXT),
    "pairs": pl.List(pl.Struct({"item_ids": pl.List(_TEXT), "interaction": _NUMBER})),
    "shared": pl.List(pl.Struct({"name": _TEXT, "value": _TEXT, "item_ids": pl.List(_TEXT)})),
    "together": pl.List(pl.Struct({"item_id": _TEXT, "both": _COUNT, "chose": _COUNT})),
    "instead_id": _TEXT,
}
NO_ANSWER = "the backend gave no answer"
# What a model said is handed back to it once; nobody needs more of nonsense.
_LONGEST_QUOTE = 600


def explain(
    model: Recommender,
    recs: object,
    histories: Histories,
    *,
    narrator: Narrator | None = None,
    language: Language = "en",
    form: ReasonForm = "sentence",
    tone: str = "plain",
    instead: str | Sequence[str] | None = None,
) -> pl.DataFrame:
    """Say why each item of ``recs`` (``user_id, item_id``, perhaps ``rank``) was recommended.

    Returns one row for each: ``user_id, item_id, rank, sentence``; ``evidence``, the history items without
    which the score falls most, with the fall; ``backend`` and whether what it wrote passed the audit at the
    ``first_try``; ``faults``, what the audit found; and more evidence: ``pairs, shared, together``
    and ``instead_id``.

    ``form`` "paragraph" asks for up to three sentences. ``instead``, an item for all rows or one for each,
    asks why not that one: evidence is then what moves the lead over it. ``tone`` is a word or two for an LLM.
    What a narrator writes is audited; what fails is asked for once more with the faults named, then replaced
    by the template's words. By default the model's own base LLM narrates (its adapter off), or the template
    for a model without one. An item that no history item helped gets a template sentence that says so; one whose
    own earlier choice is among the evidence gets the template's, too.
    Raises DataError for unknown users or items, PromptError for an unknown language or form.
    """
    for value, known in ((language, Language), (form, ReasonForm)):
        if value not in get_args(known):
            raise PromptError(f"no reasons as '{value}'; choose {' or '.join(get_args(known))}")
    table = _checked(recs)
    evidence = occlusion(model, histories, table, instead=_rivals(instead, table, form))
    requests = [NarrationRequest(one, language, form, one_line(tone) or "plain") for one in evidence]
    written = [_Written(request.plain(), TemplateNarrator.backend) for request in requests]
    chosen = narrator or _own_narrator(model) or TemplateNarrator()
    if not isinstance(chosen, TemplateNarrator):
        # An LLM names a title once in its sentence: of what speaks for itself it would cite lesser evidence.
        told = [n for n, one in enumerate(evidence) if one.cited and not one.chosen_before]
        for n, words in zip(told, _narrated(chosen, [requests[n] for n in told]), strict=True):
            written[n] = words
    rows = zip(evidence, table[RANK], written, strict=True)
    return pl.DataFrame([_row(*row) for row in rows], schema=_SCHEMA, orient="row")


@dataclass(frozen=True)
class _Written:
    """Words, who wrote them, and what the audit found in what was written first."""

    text: str
    backend: str
    faults: tuple[str, ...] = ()


def _narrated(narrator: Narrator, requests: list[NarrationRequest]) -> list[_Written]:
    """Ask for every request, once more for what fails the audit, and fall back to the plain words."""
    first = _tried(narrator, requests)
    again = [n for n, one in enumerate(first) if one.text and one.faults]
    retries = [
        replace(requests[n], said=one_line(first[n].text)[:_LONGEST_QUOTE], faults=first[n].faults) for n in again
    ]
    second = dict(zip(again, _tried(narrator, retries), strict=True))
    return [
        _settled(request, one, second.get(n)) for n, (request, one) in enumerate(zip(requests, first, strict=True))
    ]


def _settled(request: NarrationRequest, first: _Written, second: _Written | None) -> _Written:
    if not first.faults:
        return first
    if second is not None and not second.faults:
        return replace(second, faults=first.faults)
    found = (*first.faults, *(second.faults if second else ()))
    return _Written(request.plain(), TemplateNarrator.backend, tuple(dict.fromkeys(found)))


def _tried(narrator: Narrator, requests: list[NarrationRequest]) -> list[_Written]:
    if not requests:
        return []
    answers = narrator.narrate(requests)
    if len(answers) != len(requests):
        written = f"{len(answers)} sentences for {len(requests)} reasons"
        raise ModelError(f"the narrator '{narrator.backend}' wrote {written}; it must write one for each")
    found = []
    for request, answer in zip(requests, answers, strict=True):
        faults = [NO_ANSWER]
        if answer is not None:
            faults = audit(answer, request.evidence, language=request.language, form=request.form)
        found.append(_Written(answer or "", narrator.backend, tuple(faults)))
    return found


def counts(table: pl.DataFrame) -> dict[str, int]:
    """Count how the sentences of an ``explain`` table came about.

    ``written_by_llm`` passed the audit (at the first or second try), ``replaced_by_template`` did not,
    ``written_by_template`` never went to an LLM.
    """
    template = table.filter(pl.col("backend") == TemplateNarrator.backend)
    failed = int((template["faults"].list.len() > 0).sum())
    return {
        "written_by_llm": table.height - template.height,
        "replaced_by_template": failed,
        "written_by_template": template.height - failed,
    }


def evidence_of(table: pl.DataFrame, catalog: Catalog) -> list[Evidence]:
    """Return the evidence behind each row of an ``explain`` table."""
    return [
        Evidence(
            row[USER],
            _item(catalog, row[ITEM]),
            tuple(
                Cited(**vars(_item(catalog, one["item_id"])), contribution=one["contribution"])
                for one in row["evidence"]
            ),
            tuple(Pair((one["item_ids"][0], one["item_ids"][1]), one["interaction"]) for one in row["pairs"]),
            tuple(Shared(one["name"], one["value"], tuple(one["item_ids"])) for one in row["shared"]),
            tuple(Together(**one) for one in row["together"]),
            None if row["instead_id"] is None else _item(catalog, row["instead_id"]),
        )
        for row in table.iter_rows(named=True)
    ]


def _item(catalog: Catalog, item_id: str) -> Item:
    return Item.of(catalog, catalog.code(item_id))


def _checked(recs: object) -> pl.DataFrame:
    table = to_polars(recs, name="recs")
    for column in (USER, ITEM):
        if column not in table.columns:
            raise DataError(f"recs: no column '{column}'; pass what model.recommend returned")
    if RANK not in table.columns:
        table = table.with_columns(pl.int_range(1, pl.len() + 1).over(USER).alias(RANK))
    return table.select(pl.col(USER, ITEM).cast(pl.String), pl.col(RANK).cast(pl.Int32))


def _rivals(instead: str | Sequence[str] | None, table: pl.DataFrame, form: ReasonForm) -> list[str] | None:
    if instead is None:
        return None
    if form != "sentence":
        raise PromptError("why one item rather than another is told in one sentence: leave form as it is")
    rivals = [instead] * table.height if isinstance(instead, str) else [str(item) for item in instead]
    if len(rivals) != table.height:
        raise DataError(f"instead: {len(rivals)} items for {table.height} recommendations; give one for each")
    same = next((item for item, rival in zip(table[ITEM].to_list(), rivals, strict=True) if item == rival), None)
    if same is not None:
        raise DataError(f"instead: item '{same}' cannot be compared with itself")
    return rivals


def _own_narrator(model: Recommender) -> Narrator | None:
    """Return the narrator of a model's own base, kept on the model: loading an LLM takes longer than a call."""
    base = getattr(model, "narration_base", None)
    if not isinstance(base, str):
        return None
    kept: dict[str, LocalNarrator] = vars(model).setdefault("_narrators", {})
    return kept.setdefault(base, LocalNarrator(base))


def _row(one: Evidence, rank: int, written: _Written) -> tuple[object, ...]:
    cited = [
        {"item_id": other.item_id, "title": other.title, "contribution": other.contribution} for other in one.cited
    ]
    more = ([asdict(fact) for fact in facts] for facts in (one.pairs, one.shared, one.together))
    faults = list(written.faults)
    rival = one.rival.item_id if one.rival else None
    return (
        one.user_id,
        one.item.item_id,
        rank,
        written.text,
        cited,
        written.backend,
        not faults,
        faults,
        *more,
        rival,
    )
