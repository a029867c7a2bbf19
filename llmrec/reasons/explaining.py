"""Explain recommendations: evidence, a sentence from it, an audit, and a plain sentence where that fails."""

from __future__ import annotations

from typing import get_args

import polars as pl

from llmrec.data import Histories
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.data.tables import to_polars
from llmrec.errors import DataError, ModelError, PromptError
from llmrec.models.base import Recommender
from llmrec.prompting import Language
from llmrec.reasons.audit import audit
from llmrec.reasons.evidence import Evidence, occlusion
from llmrec.reasons.narrate import LocalNarrator, Narrator, TemplateNarrator

_CITED = pl.Struct({"item_id": pl.String(), "title": pl.String(), "contribution": pl.Float64()})
_SCHEMA: dict[str, pl.DataType] = {
    USER: pl.String(),
    ITEM: pl.String(),
    RANK: pl.Int32(),
    "sentence": pl.String(),
    "evidence": pl.List(_CITED),
    "backend": pl.String(),
    "faults": pl.List(pl.String()),
}


def explain(
    model: Recommender,
    recs: object,
    histories: Histories,
    *,
    narrator: Narrator | None = None,
    language: Language = "en",
) -> pl.DataFrame:
    """Say why each item of ``recs`` (``user_id, item_id``, perhaps ``rank``) was recommended.

    Returns ``user_id, item_id, rank, sentence, evidence, backend, faults``, one row for each. ``evidence``
    lists the history items without which the score falls most, with the fall. Every sentence of a narrator
    is audited: one that fails is replaced by the template's, and ``faults`` says why. By default the model's
    own base LLM narrates (its adapter off), or the template for a model without one. An item that no
    history item helped gets a template sentence that says so. Raises DataError for unknown users or items.
    """
    if language not in get_args(Language):
        raise PromptError(f"no reasons in language '{language}'; choose {' or '.join(get_args(Language))}")
    table = _checked(recs)
    evidence = occlusion(model, histories, table)
    plain = TemplateNarrator(language=language)
    chosen = narrator or _own_narrator(model, language) or plain
    sentences, backends = plain.narrate(evidence), [plain.backend] * len(evidence)
    faults: list[list[str]] = [[] for _ in evidence]
    if not isinstance(chosen, TemplateNarrator):
        told = [n for n, one in enumerate(evidence) if one.cited]
        for n, sentence in zip(told, _told(chosen, [evidence[n] for n in told]), strict=True):
            faults[n] = audit(sentence, evidence[n], language=language)
            if not faults[n]:
                sentences[n], backends[n] = sentence, chosen.backend
    rows = zip(evidence, table[RANK], sentences, backends, faults, strict=True)
    return pl.DataFrame([_row(*row) for row in rows], schema=_SCHEMA, orient="row")


def counts(table: pl.DataFrame) -> dict[str, int]:
    """Count how the sentences of an ``explain`` table came about.

    ``written_by_llm`` passed the audit, ``replaced_by_template`` did not, ``written_by_template`` never
    went to an LLM.
    """
    failed = int((table["faults"].list.len() > 0).sum())
    template = int((table["backend"] == TemplateNarrator.backend).sum())
    return {
        "written_by_llm": table.height - template,
        "replaced_by_template": failed,
        "written_by_template": template - failed,
    }


def _checked(recs: object) -> pl.DataFrame:
    table = to_polars(recs, name="recs")
    for column in (USER, ITEM):
        if column not in table.columns:
            raise DataError(f"recs: no column '{column}'; pass what model.recommend returned")
    if RANK not in table.columns:
        table = table.with_columns(pl.int_range(1, pl.len() + 1).over(USER).alias(RANK))
    return table.select(pl.col(USER, ITEM).cast(pl.String), pl.col(RANK).cast(pl.Int32))


def _own_narrator(model: Recommender, language: Language) -> Narrator | None:
    """Return the narrator of a model's own base, kept on the model: loading an LLM takes longer than a call."""
    base = getattr(model, "narration_base", None)
    if not isinstance(base, str):
        return None
    kept: dict[tuple[str, Language], LocalNarrator] = vars(model).setdefault("_narrators", {})
    if (base, language) not in kept:
        another = next((one for (name, _), one in kept.items() if name == base), None)
        kept[base, language] = another.speaking(language) if another else LocalNarrator(base, language=language)
    return kept[base, language]


def _told(narrator: Narrator, evidence: list[Evidence]) -> list[str]:
    if not evidence:
        return []
    sentences = narrator.narrate(evidence)
    if len(sentences) != len(evidence):
        counted = f"{len(sentences)} sentences for {len(evidence)} reasons"
        raise ModelError(f"the narrator '{narrator.backend}' wrote {counted}; it must write one for each")
    return sentences


def _row(one: Evidence, rank: int, sentence: str, backend: str, faults: list[str]) -> tuple[object, ...]:
    cited = [
        {"item_id": other.item_id, "title": other.title, "contribution": other.contribution} for other in one.cited
    ]
    return (one.user_id, one.item.item_id, rank, sentence, cited, backend, faults)
