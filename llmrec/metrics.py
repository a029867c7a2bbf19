"""Accuracy of ranked lists, one number per user and metric, from ranks and item ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl

from llmrec.data.columns import ITEM, RANK, USER
from llmrec.errors import DataError

Metric = Literal["ndcg", "recall", "mrr", "map", "precision"]
METRICS: tuple[Metric, ...] = get_args(Metric)


def per_user(recs: pl.DataFrame, answers: pl.DataFrame, *, users: Sequence[str], k: int = 10) -> pl.DataFrame:
    """Judge each user's first ``k`` recommendations. Returns ``user_id`` and one float64 column per metric.

    ``recs`` has ``user_id, item_id, rank`` (ranks from 1), ``answers`` has ``user_id, item_id``; a user may
    have several answers. One row per entry of ``users``, in that order; what others got is not looked at.
    ``recall@k`` is the share of a user's answers that were found (with one answer: the hit rate), ``ndcg@k`` has
    binary gains and the ideal list of min(k, number of answers) (Järvelin & Kekäläinen 2002), ``mrr@k`` is
    1 / rank of the first answer found, ``map@k`` the mean over all answers of the precision at the rank of each
    (0 for one not found; trec_eval's map_cut), ``precision@k`` hits / k, also where a list is shorter.

    A user without a recommendation counts as zero, and so does a user without an answer: leave the latter
    out of ``users`` if they were not asked anything. Raises DataError for missing columns, ranks below 1,
    and an item or a rank that stands twice in one user's list: each would inflate a metric.
    """
    if k < 1:
        raise DataError(f"k must be at least 1, got {k}")
    rows = pl.DataFrame({USER: pl.Series(users, dtype=pl.String)})
    if rows[USER].is_duplicated().any():
        twice = rows.filter(pl.col(USER).is_duplicated())[USER][0]
        raise DataError(f"users: '{twice}' stands there more than once; judge each user once")
    wanted = _keyed(answers, (USER, ITEM), name="answers").unique()
    ranked = _checked(_keyed(recs, (USER, ITEM, RANK), name="recommendations").filter(pl.col(RANK) <= k))
    found = ranked.join(wanted, on=[USER, ITEM], how="semi").sort(USER, RANK)
    hits = (
        found.with_columns(nth=pl.col(RANK).cum_count().over(USER))
        .group_by(USER)
        .agg(
            hits=pl.len(),
            first=pl.col(RANK).min(),
            gain=(1 / (pl.col(RANK) + 1).log(2)).sort().sum(),
            precisions=(pl.col("nth") / pl.col(RANK)).sort().sum(),
        )
    )
    totals = wanted.group_by(USER).agg(total=pl.len())
    table = rows.join(totals, on=USER, how="left", maintain_order="left")
    table = table.join(hits, on=USER, how="left", maintain_order="left")
    # Counted as one answer where there is none: 0 hits / 1 is the zero such a user stands for.
    total = table["total"].fill_null(1).cast(pl.Int64).to_numpy()
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[np.minimum(total, k) - 1]
    values = {
        "recall": pl.col("hits") / pl.Series(total),
        "ndcg": pl.col("gain") / pl.Series(ideal),
        "mrr": 1 / pl.col("first"),
        "map": pl.col("precisions") / pl.Series(total),
        "precision": pl.col("hits") / k,
    }
    named = (value.fill_null(0.0).cast(pl.Float64).alias(f"{metric}@{k}") for metric, value in values.items())
    return table.select(USER, *named)


def _keyed(table: pl.DataFrame, columns: tuple[str, ...], *, name: str) -> pl.DataFrame:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{name}: no column '{missing[0]}' among {', '.join(table.columns) or 'none'}")
    # Peers' files may hold ids as numbers; here an id is a string everywhere.
    types = {column: pl.Int64 if column == RANK else pl.String for column in columns}
    return table.select(pl.col(column).cast(type_) for column, type_ in types.items())


def _checked(ranked: pl.DataFrame) -> pl.DataFrame:
    low = ranked.filter(pl.col(RANK) < 1)[RANK]
    if len(low):
        raise DataError(f"recommendations: rank {low[0]} is below 1; number each user's list from 1")
    for column in (ITEM, RANK):
        twice = ranked.filter(pl.struct(USER, column).is_duplicated())
        if twice.height:
            user, value = twice[USER][0], twice[column][0]
            raise DataError(
                f"recommendations: {column} '{value}' stands more than once for user '{user}'; keep it once"
            )
    return ranked
