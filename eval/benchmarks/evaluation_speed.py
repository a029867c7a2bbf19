"""Evaluate 50,000 users over 17,000 items: our evaluation against the plain loop with ir-measures or ranx.

python eval/benchmarks/evaluation_speed.py [--users N] [--items N] [--python ranx=INTERPRETER]. Each side gets the
same scores (a product of two factor matrices) in a process of its own: masks what was seen, ranks ten, computes
recall, NDCG, MRR, MAP and precision per user; ours adds coverage, novelty, diversity, popularity, calibration and
bootstrap intervals. Times are the process's CPU seconds: other work on the machine does not change them. ranx,
which is no dependency, takes part where an interpreter with it is named; it compiles itself once, in its time.
Writes evaluation_speed.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from eval.common import arguments, run_measured, write_result
from eval.peers.launch import command, interpreters
from llmrec.arrays import Float32s
from llmrec.data import Catalog, Dataset, Histories, Sequences
from llmrec.evaluation import bootstrap
from llmrec.evaluation.beyond_accuracy import beyond_accuracy
from llmrec.metrics import METRICS, per_user
from llmrec.models import PopularityRecommender

K, DIM, LENGTH, CHUNK = 10, 32, 20, 512


class Factors(PopularityRecommender):
    """Scores by given factors the users from ``start`` on, whatever their histories."""

    users: Float32s
    items: Float32s
    start = 0

    def _score(self, sequences: Sequences) -> Float32s:
        return self.users[self.start : self.start + len(sequences)] @ self.items.T


def write_arrays(file: Path, users: int, items: int) -> None:
    """Write user factors, item factors, and histories with the answer last, [users, LENGTH + 1], long-tailed."""
    rng = np.random.default_rng(0)
    seen = (items * rng.random((users, LENGTH + 1)) ** 2).astype(np.int64)
    factors = rng.normal(size=(items, DIM)).astype(np.float32)
    noise = rng.normal(size=(users, DIM)).astype(np.float32)
    # The answer is often among the first ten.
    np.savez(file, users=factors[seen[:, -1]] / 2 + noise, items=factors, seen=seen)


def ours(file: Path) -> dict[str, float]:
    """Recommend in chunks, then evaluate."""
    arrays = np.load(file)
    seen, n_items = arrays["seen"], len(arrays["items"])
    users, ids = [f"u{n}" for n in range(len(seen))], np.array([f"i{n}" for n in range(n_items)])
    genres = [f"g{n % 18}, g{n % 7}" for n in range(n_items)]
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": ids, "genres": genres}))
    owners = np.repeat(np.array(users), LENGTH)
    events = pl.DataFrame({"user_id": owners, "item_id": ids[seen[:, :-1].reshape(-1)], "timestamp": 0})
    train = Dataset(events, catalog)
    histories, model = Histories.from_events(events), Factors().fit(train)
    model.users, model.items = arrays["users"], arrays["items"]
    answers = pl.DataFrame({"user_id": users, "item_id": ids[seen[:, -1]]})
    began, parts = time.process_time(), []
    for model.start in range(0, len(users), CHUNK):
        parts.append(model.recommend(histories[model.start : model.start + CHUNK], K, exclude_seen=True))
    recs = pl.concat(parts)
    ranked = time.process_time()
    table = per_user(recs, answers, users=users, k=K)
    for metric in METRICS:
        bootstrap(table[f"{metric}@{K}"].to_numpy())
    beyond_accuracy(recs, histories, train, k=K)
    seconds = {"rank_seconds": ranked - began, "evaluate_seconds": time.process_time() - ranked}
    values = {f"{metric}@{K}": float(np.mean(table[f"{metric}@{K}"].to_numpy())) for metric in METRICS}
    return {**seconds, "users": len(users), **values}


def main() -> None:
    """Start each side, compare."""
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=17_000)
    parser.add_argument("--python", nargs="*", default=[], metavar="ranx=INTERPRETER")
    parser.add_argument("--arrays", type=Path, help="do the work of our side with this file")
    args = parser.parse_args()
    if args.arrays:
        print(json.dumps(ours(args.arrays)))
        return
    pythons = {"ir-measures": sys.executable, **interpreters(args.python)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arrays.npz"
        write_arrays(file, args.users, args.items)
        sides = {"llmrec": [sys.executable, __file__, "--arrays", file]}
        sides |= {name: [*command("evaluation_loop.py", python), file, name] for name, python in pythons.items()}
        rows = []
        for side, words in sides.items():
            run = run_measured(words)
            rows.append({"side": side, **run.values(), "peak_memory_gib": run.peak_memory_gib})
            print(rows[-1], flush=True)
    whole = [row["rank_seconds"] + row["evaluate_seconds"] for row in rows]
    costs = [
        {
            **{name: row[name] for name in ("side", "rank_seconds", "evaluate_seconds", "peak_memory_gib")},
            "times_ours": seconds / whole[0] if row is not rows[0] else None,
        }
        for row, seconds in zip(rows, whole, strict=True)
    ]
    metrics = [{name: row[name] for name in row if name in ("side", "users") or "@" in name} for row in rows]
    sections = {"CPU time": costs, "What each computed": metrics}
    settings = {"users": args.users, "items": args.items, "k": K}
    write_result(args.out / "evaluation_speed.json", sections, settings=settings)


if __name__ == "__main__":
    main()
