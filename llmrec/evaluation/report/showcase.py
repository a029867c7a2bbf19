"""Pick a few users for the report to look at: their histories, recommendations, reasons and what came next."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from llmrec.data import Catalog, Fold
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.evaluation.report.report import Report
from llmrec.models.base import Recommender
from llmrec.reasons import counts, explain

META = ("year", "genres")


def with_showcase(
    report: Report, model: Recommender, fold: Fold, *, users: int = 5, k: int = 5, seed: int = 0
) -> tuple[Report, pl.DataFrame]:
    """Return the report with ``users`` random users in it, and the table of reasons that were worded.

    Users are drawn with a fixed seed, not chosen by how well the model does on them.
    """
    n = len(fold.histories)
    places = np.sort(np.random.default_rng(seed).choice(n, min(users, n), replace=False))
    histories = fold.histories.take(places)
    recs = model.recommend(histories, k)
    reasons = explain(model, recs, histories)
    ranks = _ranks(model, fold, places)
    cards = []
    for row, user in enumerate(histories.user_ids):
        seen = [_shown(model.catalog, item) for item in reversed(histories.items(row))]
        answers = fold.answers.filter(pl.col(USER) == user)[ITEM].to_list()
        own = reasons.filter(pl.col(USER) == user)
        cards.append(
            {
                "user_id": user,
                "history": seen,
                "recommendations": [_reasoned(model.catalog, one) for one in own.iter_rows(named=True)],
                "answer": _shown(model.catalog, answers[0])["title"] if answers else None,
                "answer_rank": ranks.get(user),
            }
        )
    return report.with_showcase(cards, **counts(reasons)), reasons


def _shown(catalog: Catalog, item: str) -> dict[str, Any]:
    code = int(catalog.codes([item])[0])
    if code < 0:
        return {"title": item, "meta": []}
    row = catalog.table.row(code, named=True)
    return {"title": row["title"], "meta": [row[name] for name in META if row.get(name)]}


def _reasoned(catalog: Catalog, row: dict[str, Any]) -> dict[str, Any]:
    evidence = [{"title": one["title"], "contribution": one["contribution"]} for one in row["evidence"]]
    shown = _shown(catalog, row[ITEM])
    return {
        "rank": row[RANK],
        **shown,
        "reason": row["sentence"],
        "evidence": evidence,
        "backend": row["backend"],
    }


def _ranks(model: Recommender, fold: Fold, places: Any) -> dict[str, int]:
    """Where each user's answer stands in the whole ranking; users whose answer is not ranked are absent."""
    histories = fold.histories.take(places)
    full = model.recommend(histories, len(model.catalog))
    found = full.join(fold.answers, on=[USER, ITEM], how="semi").group_by(USER).agg(pl.col(RANK).min())
    return dict(found.select(USER, RANK).iter_rows())
