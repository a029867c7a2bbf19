"""What dividing the items of a large catalog over processes saves: memory of a process, and what a step takes.

python eval/benchmarks/item_shards.py [--items 100000 400000] [--processes 2]. A GRU of width 128 is trained for
some steps on synthetic users, by processes that each hold the whole table of items and by ones that divide it
(`train.shard_items`). Memory is the largest resident size of a process beyond that before training; losses of both
are compared. On CPUs (gloo), a thread for each process. Writes item_shards.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import polars as pl

import llmrec
from eval.common import arguments, write_result
from llmrec.data import Catalog

USERS, EVENTS, STEPS = 40, 20, 8


def synthetic(n_items: int) -> llmrec.Dataset:
    """Users with random items of a catalog of so many."""
    ids = pl.Series(np.arange(n_items)).cast(pl.String)
    columns = {
        "user_id": pl.Series(np.repeat(np.arange(USERS), EVENTS)).cast(pl.String),
        "item_id": ids.gather(np.random.default_rng(0).integers(0, n_items, USERS * EVENTS)),
        "timestamp": np.tile(1_600_000_000 + 86_400 * np.arange(EVENTS), USERS),
    }
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": "Item " + ids}))
    return llmrec.Dataset(pl.DataFrame(columns), catalog, f"synthetic-{n_items}")


def train(rank: int, size: int, port: int, n_items: int, divided: bool) -> dict[str, Any]:
    """Train as one of several processes; return what it took."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in numbers.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    import psutil
    import torch

    from llmrec.runtime import measured
    from llmrec.training import distributed

    torch.set_num_threads(1)
    data = synthetic(n_items)
    changes = {"batch_tokens": 2 * USERS * EVENTS // STEPS, "epochs": 2, "shard_items": divided}
    recipe = llmrec.Recipe.of({"model": "gru", "sequence": {"dropout": 0.0}, "train": changes})
    distributed.start(n_histories=USERS)
    model = llmrec.models.from_recipe(recipe)
    before = psutil.Process().memory_info().rss / 2**30
    with measured(every=0.02) as spent:
        model.fit(data)
    steps = model.train_log[-1]["step"]
    distributed.stop()
    return {
        "peak_memory_gib": spent.peak_memory_gib - before,
        "step_seconds": sum(row["seconds"] for row in model.train_log) / steps,
        "losses": [row["loss"] for row in model.train_log],
    }


def row(n_items: int, size: int) -> dict[str, Any]:
    """Train both ways."""
    results = []
    for divided in (False, True):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
            jobs = [pool.submit(train, rank, size, port, n_items, divided) for rank in range(size)]
            results.append([job.result() for job in jobs])
    whole, shares = results
    return {
        "items": n_items,
        "processes": size,
        "peak_memory_gib": round(max(one["peak_memory_gib"] for one in whole), 3),
        "peak_memory_divided_gib": round(max(one["peak_memory_gib"] for one in shares), 3),
        "step_seconds": round(whole[0]["step_seconds"], 3),
        "step_divided_seconds": round(shares[0]["step_seconds"], 3),
        "largest_loss_difference": max(
            abs(a - b) for a, b in zip(whole[0]["losses"], shares[0]["losses"], strict=True)
        ),
    }


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 400_000])
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for n_items in args.items:
        rows.append(row(n_items, args.processes))
        print(json.dumps(rows[-1]), flush=True)
    settings = {"users": USERS, "events of each user": EVENTS, "model": "gru", "width": 128}
    write_result(args.out / "item_shards.json", {"Items divided over processes": rows}, settings=settings)


if __name__ == "__main__":
    main()
