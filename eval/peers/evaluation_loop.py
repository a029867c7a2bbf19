# /// script
# requires-python = ">=3.11"
# dependencies = ["ir-measures>=0.4", "ranx>=0.3.20", "numpy"]
# ///
"""The plain evaluation loop with ir-measures or ranx: `python evaluation_loop.py ARRAYS.npz ir-measures|ranx`.

Sorts every user's scores and hands the lists to the library. Prints one line of JSON: CPU seconds and metrics.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

K = 10
Lists = dict[str, dict[str, float]]


def with_ir_measures(qrels: dict[str, dict[str, int]], run: Lists) -> dict[str, float]:
    """Compute five metrics by ir-measures."""
    import ir_measures
    from ir_measures import AP, RR, P, R, nDCG

    names = {R @ K: "recall", nDCG @ K: "ndcg", RR @ K: "mrr", AP @ K: "map", P @ K: "precision"}
    values = ir_measures.calc_aggregate(list(names), qrels, run)
    return {f"{name}@{K}": float(values[measure]) for measure, name in names.items()}


def with_ranx(qrels: dict[str, dict[str, int]], run: Lists) -> dict[str, float]:
    """Compute five metrics by ranx."""
    from ranx import Qrels, Run, evaluate

    names = [f"{name}@{K}" for name in ("recall", "ndcg", "mrr", "map", "precision")]
    return {name: float(value) for name, value in evaluate(Qrels(qrels), Run(run), names).items()}


def main() -> None:
    """Rank, evaluate, print."""
    peers = {"ir-measures": with_ir_measures, "ranx": with_ranx}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays", help="the file that eval/benchmarks/evaluation_speed.py writes")
    parser.add_argument("peer", choices=peers)
    args = parser.parse_args()
    arrays, evaluate = np.load(args.arrays), peers[args.peer]
    users, items, seen = arrays["users"], arrays["items"], arrays["seen"]
    began = time.process_time()
    run: Lists = {}
    for user, vector in enumerate(users):
        scores = items @ vector
        scores[seen[user, :-1]] = -np.inf
        run[f"u{user}"] = {f"i{item}": -float(rank) for rank, item in enumerate(np.argsort(-scores)[:K], 1)}
    qrels = {f"u{user}": {f"i{row[-1]}": 1} for user, row in enumerate(seen)}
    ranked = time.process_time()
    values = evaluate(qrels, run)
    seconds = {"rank_seconds": ranked - began, "evaluate_seconds": time.process_time() - ranked}
    print(json.dumps({**seconds, "users": len(users), **values}))


if __name__ == "__main__":
    main()
