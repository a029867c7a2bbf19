"""Judge reasons by what they claim: is it in the evidence, and did what they name move the recommendation?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from llmrec.arrays import Float64s
from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, USER
from llmrec.errors import DataError
from llmrec.evaluation.reasons.text_metrics import bleu, reading_ease, rouge_l, similarity, unique_ratio
from llmrec.evaluation.significance import Interval, bootstrap
from llmrec.models.base import Recommender
from llmrec.prompting import Language
from llmrec.reasons import Evidence, Item, audit
from llmrec.reasons.claims import read
from llmrec.reasons.facts import attributes
from llmrec.reasons.occlusion import scores_without
from llmrec.reasons.pipeline import evidence_of
from llmrec.reasons.request import ReasonForm

_COMPARED = ("deletion_better", "deletion_gap", "sufficiency_better", "sufficiency_gap")


def judge_reasons(
    model: Recommender,
    table: pl.DataFrame,
    histories: Histories,
    *,
    references: Sequence[str] | None = None,
    language: Language = "en",
    form: ReasonForm = "sentence",
    seed: int = 0,
) -> dict[str, float | Interval]:
    """Judge a table that ``explain`` returned. ``references`` adds ROUGE-L, BLEU and MiniLM similarity.

    Returns ``faithful``, ``without_template``, ``first_try`` and ``deletion_better`` and ``sufficiency_better``
    (shares), ``deletion_gap``, ``sufficiency_gap`` (in units of the score), ``unique_ratio``,
    ``feature_coverage``, ``feature_diversity`` and, in English, ``reading_ease``; means over rows with 95 %
    bootstrap intervals. Raises DataError for an empty table.
    """
    if table.is_empty():
        raise DataError("there are no reasons to judge")
    evidence, sentences = evidence_of(table, model.catalog), table["sentence"].to_list()
    found: dict[str, float | Interval] = {
        "faithful": bootstrap(faithfulness(table, model.catalog, language=language, form=form)),
        "without_template": bootstrap((table["backend"] != "template").cast(pl.Float64).to_numpy()),
        "first_try": bootstrap(table["first_try"].cast(pl.Float64).to_numpy()),
        "unique_ratio": unique_ratio(sentences),
        **_features(sentences, evidence, model.catalog, language),
    }
    tested = deletion_test(model, table, histories, language=language, seed=seed)
    if tested.height:
        for name in _COMPARED:
            found[name] = bootstrap(tested[name].to_numpy())
    if language == "en":
        found["reading_ease"] = bootstrap(reading_ease(sentences))
        if references is not None:
            found["similarity"] = bootstrap(similarity(sentences, references))
    if references is not None:
        found["rouge_l"] = bootstrap(rouge_l(sentences, references, language=language))
        found["bleu"] = bootstrap(bleu(sentences, references, language=language))
    return found


def faithfulness(
    table: pl.DataFrame, catalog: Catalog, *, language: Language = "en", form: ReasonForm = "sentence"
) -> Float64s:
    """Return 1 for each reason whose every claim is in its evidence, else 0: float64 [n]."""
    pairs = zip(table["sentence"].to_list(), evidence_of(table, catalog), strict=True)
    return np.array([not audit(text, one, language=language, form=form) for text, one in pairs], dtype=np.float64)


def deletion_test(
    model: Recommender,
    table: pl.DataFrame,
    histories: Histories,
    *,
    language: Language = "en",
    draws: int = 5,
    most: int = 50,
    seed: int = 0,
) -> pl.DataFrame:
    """Take the history items that each reason names out of the history, and as many random others instead.

    Returns a row for each reason that names a history item and whose newest ``most`` items hold as many
    others: ``user_id, item_id, named`` (how many), ``deletion_better``, the share of ``draws`` in which the
    score falls further without the named items than without the others, ``deletion_gap``, by how much
    further on average; and ``sufficiency_better``, ``sufficiency_gap``: the same for the score with nothing
    but the named items left (comprehensiveness and sufficiency of DeYoung et al. 2020, against chance).
    """
    rng = np.random.default_rng(seed)
    places = {user: n for n, user in enumerate(histories.user_ids)}
    rows, named_items, removed = [], [], []
    for row, one in enumerate(evidence_of(table, model.catalog)):
        named = named_in(table["sentence"][row], one, language)
        items = list(dict.fromkeys(reversed(histories.items(places[one.user_id]))))
        others = sorted(set(items[:most]) - set(named))
        if not named or len(others) < len(named):
            continue
        drawn = [list(rng.choice(others, len(named), replace=False)) for _ in range(draws)]
        groups = [named, *drawn]
        rows.append(row)
        named_items.append(len(named))
        removed.append([*groups, *([item for item in items if item not in group] for group in groups)])
    chosen = table.select(USER, ITEM)[rows]
    scores = scores_without(model, histories, chosen, removed)
    compared = [_compare(own, draws) for own in scores]
    return chosen.with_columns(
        pl.Series("named", named_items, dtype=pl.Int64),
        *(pl.Series(name, [one[name] for one in compared], dtype=pl.Float64) for name in _COMPARED),
    )


def named_in(sentence: str, evidence: Evidence, language: Language = "en") -> list[str]:
    """Return the ids of the cited items whose titles stand in a sentence."""
    mentioned = read(sentence, evidence, language).mentioned
    return [one.item_id for place, one in enumerate(evidence.cited, start=1) if place in mentioned]


def _compare(scores: Float64s, draws: int) -> dict[str, float]:
    """Read scores [1 + 2 * (1 + draws)]: whole; without named, without each draw; only named, only each draw."""
    without, only = scores[1 : draws + 2], scores[draws + 2 :]
    falls, kept = without[1:] - without[0], only[0] - only[1:]
    means = (float(np.mean(falls > 0)), float(np.mean(falls)), float(np.mean(kept > 0)), float(np.mean(kept)))
    return dict(zip(_COMPARED, means, strict=True))


def _features(
    sentences: list[str], evidence: list[Evidence], catalog: Catalog, language: Language
) -> dict[str, float]:
    """Feature coverage (share of the catalog's attribute values that are spoken of at all) and diversity (mean
    number of values that two reasons have in common: lower is more diverse). Li et al. 2020.
    """
    items = (Item.of(catalog, code) for code in range(len(catalog)))
    every = {value.lower() for item in items for _, value in attributes(item)}
    spoken = []
    for sentence, one in zip(sentences, evidence, strict=True):
        reading = read(sentence, one, language)
        spoken.append({value for mark, value in reading.values.items() if mark in reading.text} & every)
    if not every:
        return {}
    times: dict[str, int] = {}
    for value in chain.from_iterable(spoken):
        times[value] = times.get(value, 0) + 1
    n = len(spoken)
    common = sum(count * (count - 1) for count in times.values()) / (n * (n - 1)) if n > 1 else 0.0
    return {"feature_coverage": len(times) / len(every), "feature_diversity": common}


def as_json(found: dict[str, float | Interval]) -> dict[str, Any]:
    """Return what ``judge_reasons`` found as plain values."""
    return {name: value.model_dump() if isinstance(value, Interval) else value for name, value in found.items()}
