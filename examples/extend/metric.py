"""A metric of your own: a column of every table, with its interval, and its docstring in the report."""

from __future__ import annotations

import numpy as np

import llmrec
from llmrec.arrays import Float64s
from llmrec.data import toy_films
from llmrec.evaluation import EvaluationProtocol, Hits, register_metric


def top_three(hits: Hits) -> Float64s:
    """Whether a right answer is among the first three."""
    return np.asarray(hits.at[:, :3].any(axis=1), dtype=np.float64)  # one number a user, higher is better


def main() -> None:
    """Judge by it, beside NDCG."""
    register_metric("top_three", top_three)
    protocol = EvaluationProtocol.load("leave-last-out").model_copy(update={"metrics": ("ndcg", "top_three")})
    split = llmrec.Split.leave_last_out(toy_films())
    model = llmrec.models.PopularityRecommender().fit(split.train)
    report = llmrec.evaluate({"popularity": model}, split, protocol=protocol)
    print(report.table.select("model", "ndcg@10", "top_three@10", "top_three@10_low", "top_three@10_high"))


if __name__ == "__main__":
    main()
