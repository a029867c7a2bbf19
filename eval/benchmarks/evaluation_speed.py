"""Judge 50,000 users over 17,000 items: our evaluation against the plain loop with ir-measures or ranx.

python eval/benchmarks/evaluation_speed.py [--users N] [--items N] [--out eval/results/evaluation_speed.json].
Each side gets
the same scores (a product of two factor matrices) in a process of its own: masks what was seen, ranks ten,
computes recall, NDCG, MRR, MAP and precision per user; ours adds coverage, novelty, diversity, popularity,
calibration and bootstrap intervals. Times are the process's CPU seconds: other work on the machine does not change
them. ranx compiles itself once, and that is part of its time.
`--ranx PYTHON` names an interpreter that has ranx, which is not a dependency.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

K, DIM, LENGTH = 10, 32, 20


def world(users: int, items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return user factors, item factors, and histories with the answer last, [users, LENGTH + 1], long-tailed."""
    rng = np.random.default_rng(0)
    seen = (items * rng.random((users, LENGTH + 1)) ** 2).astype(np.int64)
    theirs = rng.normal(size=(items, DIM)).astype(np.float32)
    noise = rng.normal(size=(users, DIM)).astype(np.float32)
    return theirs[seen[:, -1]] / 2 + noise, theirs, seen  # the answer is often among the first ten


def ours(users: int, items: int) -> dict[str, float]:
    """Recommend in chunks, then judge."""
    from llmrec.data import Catalog, Dataset, Histories
    from llmrec.evaluation.beyond_accuracy import beyond_accuracy
    from llmrec.evaluation.significance import bootstrap
    from llmrec.metrics import METRICS, per_user
    from llmrec.models.base import CHUNK, Recommender

    class Factors(Recommender):
        kind = "factors"

        def _fit(self, data: Dataset, **_: object) -> None: ...

        def _score(self, sequences: object) -> np.ndarray:
            return mine[self.start : self.start + len(sequences)] @ theirs.T  # type: ignore[arg-type]

        def _save(self, folder: Path) -> None: ...

        def _load(self, folder: Path) -> None: ...

    mine, theirs, seen = world(users, items)
    names, ids = [f"u{n}" for n in range(users)], np.array([f"i{n}" for n in range(items)])
    genres = [f"g{n % 18}, g{n % 7}" for n in range(items)]
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": ids, "genres": genres}))
    owners = np.repeat(np.array(names), LENGTH)
    events = pl.DataFrame({"user_id": owners, "item_id": ids[seen[:, :-1].reshape(-1)], "timestamp": 0})
    train = Dataset(events, catalog)
    histories, model = Histories.from_events(events), Factors().fit(train)
    answers = pl.DataFrame({"user_id": names, "item_id": ids[seen[:, -1]]})
    began, parts = time.process_time(), []
    for model.start in range(0, users, CHUNK):
        parts.append(model.recommend(histories[model.start : model.start + CHUNK], K, exclude_seen=True))
    recs = pl.concat(parts)
    ranked = time.process_time()
    table = per_user(recs, answers, users=names, k=K)
    for metric in METRICS:
        bootstrap(table[f"{metric}@{K}"].to_numpy())
    beyond_accuracy(recs, histories, train, k=K)
    ended = time.process_time()
    found = {f"{metric}@{K}": float(np.mean(table[f"{metric}@{K}"].to_numpy())) for metric in METRICS}
    return {"rank_seconds": ranked - began, "judge_seconds": ended - ranked, "users": users, **found}


def loop(users: int, items: int, judge: str) -> dict[str, float]:
    """Sort every user's scores, hand the lists to the oracle."""
    mine, theirs, seen = world(users, items)
    began = time.process_time()
    run: dict[str, dict[str, float]] = {}
    for user in range(users):
        scores = theirs @ mine[user]
        scores[seen[user, :-1]] = -np.inf
        run[f"u{user}"] = {f"i{item}": -float(rank) for rank, item in enumerate(np.argsort(-scores)[:K], 1)}
    qrels = {f"u{user}": {f"i{seen[user, -1]}": 1} for user in range(users)}
    ranked = time.process_time()
    found = _ranx(qrels, run) if judge == "ranx" else _ir_measures(qrels, run)
    return {"rank_seconds": ranked - began, "judge_seconds": time.process_time() - ranked, "users": users, **found}


def _ir_measures(qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> dict[str, float]:
    import ir_measures
    from ir_measures import AP, RR, P, R, nDCG

    names = {R @ K: "recall", nDCG @ K: "ndcg", RR @ K: "mrr", AP @ K: "map", P @ K: "precision"}
    found = ir_measures.calc_aggregate(list(names), qrels, run)
    return {f"{name}@{K}": float(found[measure]) for measure, name in names.items()}


def _ranx(qrels: dict[str, dict[str, int]], run: dict[str, dict[str, float]]) -> dict[str, float]:
    from ranx import Qrels, Run, evaluate

    names = {"recall": "recall", "ndcg": "ndcg", "mrr": "mrr", "map": "map", "precision": "precision"}
    found = evaluate(Qrels(qrels), Run(run), [f"{name}@{K}" for name in names])
    return {name: float(value) for name, value in found.items()}


def main() -> None:
    """Start each side, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=17_000)
    parser.add_argument("--ranx", default="")
    parser.add_argument("--out", type=Path, default=Path("eval/results/evaluation_speed.json"))
    parser.add_argument("--side", default="")
    asked = parser.parse_args()
    if asked.side:
        side = ours if asked.side == "llmrec" else lambda *size: loop(*size, asked.side)
        found = side(asked.users, asked.items)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(json.dumps({**found, "peak_memory_gib": peak}))
        return
    from llmrec.runtime import machine, versions

    sides = {
        "llmrec": sys.executable,
        "ir-measures": sys.executable,
        **({"ranx": asked.ranx} if asked.ranx else {}),
    }
    results = {}
    for side, python in sides.items():
        command = [python, __file__, "--side", side, "--users", str(asked.users), "--items", str(asked.items)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results[side] = json.loads(done.stdout.splitlines()[-1])
        print(side, results[side], flush=True)
    whole = {side: row["rank_seconds"] + row["judge_seconds"] for side, row in results.items()}
    ratios = {side: whole[side] / whole["llmrec"] for side in sides if side != "llmrec"}
    metadata = {"users": asked.users, "items": asked.items, "k": K, "results": results, "times_faster": ratios}
    text = json.dumps({**metadata, "machine": machine(), "versions": versions()}, indent=1)
    asked.out.write_text(text + "\n", encoding="utf-8")
    print(ratios)


if __name__ == "__main__":
    main()
