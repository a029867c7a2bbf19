"""An index that changes while it is searched: errors, removed items returned, a rebuild's answers, time, kill -9.

python eval/benchmarks/index_churn.py [--items 100000] [--changes 10000] [--threads 8]. Vectors about centroids, of
whole numbers, whose inner products are exact in any order. Of an opened index so many items are removed and added,
on the disk each time. Then a process that changes one is killed, ten times. Writes index_churn-ITEMS.json.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from eval.benchmarks.index_stress import K, Log, kill, recall, search_until
from eval.common import arguments, write_result
from llmrec import ItemIndex
from llmrec.arrays import Float32s

QUERIES, CENTROIDS = 500, 200


def vectors(n: int, dim: int, seed: int) -> tuple[Float32s, Float32s]:
    """Return whole numbers about centroids [n, dim], and biases in steps of 1/64 [n]."""
    draw, centroids = np.random.default_rng(seed), np.random.default_rng(0).integers(-20, 21, (CENTROIDS, dim))
    rows = centroids[draw.integers(0, CENTROIDS, n)] + draw.integers(-6, 7, (n, dim))
    return rows.astype(np.float32), (draw.integers(-20_000, 20_000, n) / 64).astype(np.float32)


def churn(kind: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Change an index, idle at first, then while threads search it, and compare it with one that is built anew."""
    rows, bias = vectors(args.items + args.changes, args.dim, 1)
    queries, draw = vectors(QUERIES, args.dim, 2)[0], np.random.default_rng(3)
    ItemIndex.build(rows[: args.items], range(args.items), bias=bias[: args.items], kind=kind).save(folder / kind)
    index, there = ItemIndex.open(folder / kind), [str(code) for code in range(args.items)]
    log, stop = Log(), threading.Event()
    recall_before, idle_search, spent = recall(index, queries), 0.0, list[float]()
    shared = (stop, index, queries, log)
    threads = [threading.Thread(target=search_until, args=(*shared, n), daemon=True) for n in range(args.threads)]
    n_idle = args.changes // args.at_once // 20
    for number, start in enumerate(range(args.items, args.items + args.changes, args.at_once)):
        if number == n_idle:
            for thread in threads:
                thread.start()
            time.sleep(args.idle_seconds)
            idle_search, log.seconds = float(np.mean(log.seconds.copy())), []
        new = range(start, min(start + args.at_once, args.items + args.changes))
        gone = [there.pop(code) for code in sorted(draw.choice(len(there), len(new), replace=False))[::-1]]
        began = time.perf_counter()
        index.add(rows[new.start : new.stop], new, bias=bias[new.start : new.stop])
        index.remove(gone)
        spent.append((time.perf_counter() - began) / 2)
        log.removed |= dict.fromkeys(gone, log.n_removed)
        log.n_removed += 1
        there += map(str, new)
    stop.set()
    for thread in threads:
        thread.join()
    rebuilt = ItemIndex.build(index.vectors, index.ids, bias=index.biases, kind=kind)
    same = index.search(queries, K).scores == rebuilt.search(queries, K).scores
    return {
        "kind": kind,
        "searches": len(log.seconds),
        "errors": len(log.errors),
        "removed ones returned": len(log.returned),
        "all changes there": sorted(index.ids) == sorted(there) and ItemIndex.open(folder / kind).ids == index.ids,
        "scores of a rebuild": float(same.mean()),
        "recall@10 before": recall_before,
        "recall@10": recall(index, queries),
        "recall@10 of a rebuild": recall(rebuilt, queries),
        "search_ms": 1000 * float(np.mean(log.seconds)),
        "idle_search_ms": 1000 * idle_search,
        "change_ms": 1000 * float(np.mean(spent[n_idle:])),
        "idle_change_ms": 1000 * float(np.mean(spent[:n_idle])),
    }


def main() -> None:
    """Change each kind, then kill processes that change a flat one."""
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="how many items there are (100,000)")
    parser.add_argument("--changes", type=int, default=10_000, help="items removed, and items added (10,000)")
    parser.add_argument("--at-once", type=int, default=10, help="of these in one call (10)")
    parser.add_argument("--dim", type=int, default=64, help="numbers of a vector (64)")
    parser.add_argument("--threads", type=int, default=8, help="threads that search (8)")
    parser.add_argument("--idle-seconds", type=float, default=5, help="how long an idle index is searched (5)")
    parser.add_argument("--kills", type=int, default=10, help="how many processes are killed (10)")
    parser.add_argument("--kinds", nargs="+", default=["flat", "hnsw", "ivf-flat"], help="kinds of index")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = []
        for kind in args.kinds:
            table.append(churn(kind, Path(folder), args))
            print(table[-1], flush=True)
        draw = np.random.default_rng(4).integers(1, 60, args.kills)
        kills = [kill(Path(folder) / args.kinds[0], f"k{n}", after=int(after)) for n, after in enumerate(draw)]
    settings = {name: getattr(args, name) for name in ("items", "changes", "at_once", "dim", "threads")}
    sections = {"While threads search": table, "Killed in the middle of changes": kills}
    write_result(args.out / f"index_churn-{args.items}.json", sections, settings=settings)


if __name__ == "__main__":
    main()
