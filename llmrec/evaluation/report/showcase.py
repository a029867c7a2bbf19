"""Pick a few users for the report to look at: their histories, recommendations, reasons and what came next."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from llmrec.data import Catalog, Fold
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.evaluation.report.report import Report
from llmrec.models.ranker import Ranker
from llmrec.reasons import Explanation, Explanations, Narrator, counts, explain

META = ("year", "genres")


def with_showcase(
    report: Report,
    model: Ranker,
    fold: Fold,
    *,
    users: int = 5,
    k: int = 5,
    seed: int = 0,
    narrator: Narrator | None = None,
) -> tuple[Report, Explanations]:
    """Return the report with ``users`` random users in it, and the reasons that were worded.

    Users are drawn with a fixed seed, not chosen by how well the model does on them. ``narrator``: as for
    ``explain``.
    """
    n = len(fold.histories)
    drawn = np.sort(np.random.default_rng(seed).choice(n, min(users, n), replace=False))
    shown = Fold(fold.histories.take(drawn), fold.answers)
    explanations = explain(model, model.recommend(shown.histories, k), shown.histories, narrator=narrator)
    ranks = _answer_ranks(model, shown)
    cards = []
    for row, user in enumerate(shown.histories.user_ids):
        answers = fold.answers.filter(pl.col(USER) == user)[ITEM].to_list()
        reasons = [one for one in explanations if one.evidence.user_id == user]
        cards.append(
            {
                "user_id": user,
                "history": [_shown(model.catalog, item) for item in reversed(shown.histories.items(row))],
                "recommendations": [_recommended(model.catalog, one) for one in reasons],
                "answer": _shown(model.catalog, answers[0])["title"] if answers else None,
                "answer_rank": ranks.get(user),
            }
        )
    return report.with_showcase(cards, **counts(explanations)), explanations


def _shown(catalog: Catalog, item: str) -> dict[str, Any]:
    code = int(catalog.codes([item])[0])
    if code < 0:
        return {"title": item, "meta": []}
    row = catalog.table.row(code, named=True)
    return {"title": row["title"], "meta": [row[name] for name in META if row.get(name)]}


def _recommended(catalog: Catalog, one: Explanation) -> dict[str, Any]:
    cited = [{"title": item.title, "contribution": item.contribution} for item in one.evidence.cited]
    return {
        "rank": one.rank,
        **_shown(catalog, one.evidence.item.item_id),
        "reason": one.sentence,
        "evidence": cited,
        "backend": one.backend,
    }


def _answer_ranks(model: Ranker, shown: Fold) -> dict[str, int]:
    """Return the rank of each user's answer among all items; users whose answer is not ranked are absent."""
    full = model.recommend(shown.histories, len(model.catalog))
    answers = full.join(shown.answers, on=[USER, ITEM], how="semi")
    return dict(answers.group_by(USER).agg(pl.col(RANK).min()).select(USER, RANK).iter_rows())
