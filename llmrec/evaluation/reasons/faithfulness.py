"""Judge reasons by what they claim: is it in the evidence, and did what they name move the recommendation?"""

from __future__ import annotations

from collections import Counter
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
from llmrec.evaluation.reasons.variety import distinct_forms, fact_bits, n_words, self_bleu, tells_more
from llmrec.evaluation.significance import Interval, bootstrap
from llmrec.models.ranker import Ranker
from llmrec.prompting import Language
from llmrec.reasons import Evidence, Explanations, Item, audit
from llmrec.reasons.claims import read
from llmrec.reasons.explanations import TEMPLATE
from llmrec.reasons.facts import attributes
from llmrec.reasons.occlusion import scores_without

_COMPARED = ("deletion_better", "deletion_gap", "sufficiency_better", "sufficiency_gap")


def judge_reasons(
    model: Ranker,
    explanations: Explanations,
    histories: Histories,
    *,
    references: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, float | Interval]:
    """Judge what ``explain`` returned. ``references`` adds ROUGE-L, BLEU and MiniLM similarity.

    Returns ``faithful``, ``without_template``, ``first_try`` and ``deletion_better`` and ``sufficiency_better``
    (shares), ``deletion_gap``, ``sufficiency_gap`` (in units of the score), ``unique_ratio``, ``distinct_forms``,
    ``self_bleu``, ``tells_more``, ``fact_bits``, ``n_words`` (see ``variety``),
    ``feature_coverage``, ``feature_diversity`` and, in English, ``reading_ease``; means over rows with 95 %
    bootstrap intervals. Raises DataError where there is no explanation.

    >>> from llmrec import Histories, explain
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> why = explain(model, model.recommend(histories, 2), histories)
    >>> judge_reasons(model, why, histories)["faithful"].mean
    1.0
    """
    if not len(explanations):
        raise DataError("there are no reasons to judge: explain at least one recommendation")
    language, sentences = explanations.language, [one.sentence for one in explanations]
    narrated = np.array([one.backend != TEMPLATE for one in explanations], dtype=np.float64)
    first_try = np.array([one.first_try for one in explanations], dtype=np.float64)
    values: dict[str, float | Interval] = {
        "faithful": bootstrap(faithfulness(explanations)),
        "without_template": bootstrap(narrated),
        "first_try": bootstrap(first_try),
        "unique_ratio": unique_ratio(sentences),
        **_features(explanations, model.catalog),
        "distinct_forms": distinct_forms(explanations),
        "tells_more": bootstrap(tells_more(explanations)),
        "fact_bits": bootstrap(fact_bits(explanations)),
        "n_words": bootstrap(n_words(explanations)),
    }
    alike = self_bleu(explanations)
    if len(alike):
        values["self_bleu"] = bootstrap(alike)
    tested = deletion_test(model, explanations, histories, seed=seed)
    if tested.height:
        values |= {name: bootstrap(tested[name].to_numpy()) for name in _COMPARED}
    if language == "en":
        values["reading_ease"] = bootstrap(reading_ease(sentences))
        if references is not None:
            values["similarity"] = bootstrap(similarity(sentences, references))
    if references is not None:
        values["rouge_l"] = bootstrap(rouge_l(sentences, references, language=language))
        values["bleu"] = bootstrap(bleu(sentences, references, language=language))
    return values


def faithfulness(explanations: Explanations) -> Float64s:
    """Return 1 for each reason whose every claim is in its evidence, else 0: float64 [n].

    >>> from llmrec import Histories, explain
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> why = explain(model, model.recommend(histories, 2), histories)
    >>> faithfulness(why)
    array([1., 1.])
    """
    language, form = explanations.language, explanations.form
    faults = [audit(one.sentence, one.evidence, language=language, form=form) for one in explanations]
    return np.array([not one for one in faults], dtype=np.float64)


def deletion_test(
    model: Ranker,
    explanations: Explanations,
    histories: Histories,
    *,
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

    >>> from llmrec import Histories, explain
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model, histories = MarkovRecommender().fit(toy_films()), Histories.of({"ann": ["1", "2"]})
    >>> why = explain(model, model.recommend(histories, 2), histories)
    >>> deletion_test(model, why, histories)["named"].to_list()
    [1]
    """
    rng = np.random.default_rng(seed)
    history_of = {user: n for n, user in enumerate(histories.user_ids)}
    rows, named_items, removed = [], [], []
    for row, one in enumerate(explanations):
        named = named_in(one.sentence, one.evidence, explanations.language)
        items = list(dict.fromkeys(reversed(histories.items(history_of[one.evidence.user_id]))))
        others = sorted(set(items[:most]) - set(named))
        if not named or len(others) < len(named):
            continue
        drawn = [list(rng.choice(others, len(named), replace=False)) for _ in range(draws)]
        groups = [named, *drawn]
        rows.append(row)
        named_items.append(len(named))
        removed.append([*groups, *([item for item in items if item not in group] for group in groups)])
    chosen = explanations.table.select(USER, ITEM)[rows]
    compared = [_compare(scores, draws) for scores in scores_without(model, histories, chosen, removed)]
    return chosen.with_columns(
        pl.Series("named", named_items, dtype=pl.Int64),
        *(pl.Series(name, [one[name] for one in compared], dtype=pl.Float64) for name in _COMPARED),
    )


def named_in(sentence: str, evidence: Evidence, language: Language = "en") -> list[str]:
    """Return the ids of the cited items whose titles stand in a sentence."""
    mentioned = read(sentence, evidence, language).mentioned
    return [one.item_id for index, one in enumerate(evidence.cited, start=1) if index in mentioned]


def _compare(scores: Float64s, draws: int) -> dict[str, float]:
    """Read scores [1 + 2 * (1 + draws)]: whole; without named, without each draw; only named, only each draw."""
    without, only = scores[1 : draws + 2], scores[draws + 2 :]
    falls, leads = without[1:] - without[0], only[0] - only[1:]
    means = (float(np.mean(falls > 0)), float(np.mean(falls)), float(np.mean(leads > 0)), float(np.mean(leads)))
    return dict(zip(_COMPARED, means, strict=True))


def _features(explanations: Explanations, catalog: Catalog) -> dict[str, float]:
    """Feature coverage (share of the catalog's attribute values that are spoken of at all) and diversity (mean
    number of values that two reasons have in common: lower is more diverse). Li et al. 2020.
    """
    items = (Item.of(catalog, code) for code in range(len(catalog)))
    every = {value.lower() for item in items for _, value in attributes(item)}
    spoken = []
    for one in explanations:
        reading = read(one.sentence, one.evidence, explanations.language)
        spoken.append(reading.values & every)
    if not every:
        return {}
    times = Counter(chain.from_iterable(spoken))
    n = len(spoken)
    common = sum(count * (count - 1) for count in times.values()) / (n * (n - 1)) if n > 1 else 0.0
    return {"feature_coverage": len(times) / len(every), "feature_diversity": common}


def as_json(judgement: dict[str, float | Interval]) -> dict[str, Any]:
    """Return the result of ``judge_reasons`` as plain values."""
    return {
        name: value.model_dump() if isinstance(value, Interval) else value for name, value in judgement.items()
    }
