"""What going on from a run was worth: the run, what went on from it, and a training on all events."""

from __future__ import annotations

import polars as pl

from llmrec.data import Split
from llmrec.data.columns import ITEM, USER
from llmrec.evaluation.significance import bootstrap, paired_p_value
from llmrec.metrics import per_user
from llmrec.models.base import Recommender


def continued_table(
    model: Recommender, before: Recommender, split: Split, *, anew: Recommender | None = None, k: int = 10
) -> pl.DataFrame:
    """Judge a model that went on from ``before``, that, and one that was fitted ``anew``, on a split's test fold.

    All read the histories up to the answers; an answer that ``before`` has no item for is a miss of its. Returns
    ``model``, ``ndcg@k`` with its 95 % interval (``low``, ``high``), ``recall@k``, ``overlap@k`` (which share of
    each list is in the list of ``model``, a mean over users), ``p`` (paired, of the difference in NDCG to
    ``model``) and ``train_seconds``.
    """
    fold, users = split.test, list(split.test.histories.user_ids)
    models = {"continued": model, "before": before} | ({} if anew is None else {"anew": anew})
    lists = {name: one.recommend(fold.histories, k) for name, one in models.items()}
    metrics = {name: per_user(one, fold.answers, users=users, k=k) for name, one in lists.items()}
    mine = metrics["continued"][f"ndcg@{k}"].to_numpy()
    rows = []
    for name, one in models.items():
        table = metrics[name]
        its = table[f"ndcg@{k}"].to_numpy()
        interval = bootstrap(its)
        rows.append(
            {
                "model": name,
                f"ndcg@{k}": interval.mean,
                "low": interval.low,
                "high": interval.high,
                f"recall@{k}": float(table[f"recall@{k}"].to_numpy().mean()),
                f"overlap@{k}": _overlap(lists["continued"], lists[name]),
                "p": None if one is model else paired_p_value(mine, its),
                "train_seconds": one.metadata.get("cost", {}).get("train_seconds"),
            }
        )
    return pl.DataFrame(rows)


def _overlap(one: pl.DataFrame, other: pl.DataFrame) -> float:
    """Return which share of the rows of ``one`` is among those of ``other``."""
    shared = one.select(USER, ITEM).join(other.select(USER, ITEM), on=[USER, ITEM], how="semi")
    return shared.height / max(one.height, 1)
