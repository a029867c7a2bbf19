"""What dividing the items of a large catalog over processes saves: memory of a process, and what a step takes.

python eval/benchmarks/item_shards.py [--items 100000 400000] [--processes 2] [--users 40]. A GRU of width 128 is
trained for some steps on synthetic users, by processes that each hold the whole table of items and by ones that
divide it (`train.shard_items`). Memory is the largest resident size of a process beyond that after a training of
few items, which has imported everything; the first process also gathers what is written. Losses of both are
compared. On CPUs (gloo), a thread for each process. Writes item_shards.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import polars as pl

import llmrec
from eval.common import arguments, write_result
from llmrec.data import Catalog

EVENTS, STEPS, WIDTH = 20, 8, 128


def synthetic(n_items: int, users: int) -> llmrec.Dataset:
    """Users with random items of a catalog of so many."""
    ids = pl.Series(np.arange(n_items)).cast(pl.String)
    columns = {
        "user_id": pl.Series(np.repeat(np.arange(users), EVENTS)).cast(pl.String),
        "item_id": ids.gather(np.random.default_rng(0).integers(0, n_items, users * EVENTS)),
        "timestamp": np.tile(1_600_000_000 + 86_400 * np.arange(EVENTS), users),
    }
    catalog = Catalog(pl.DataFrame({"item_id": ids, "title": "Item " + ids}))
    return llmrec.Dataset(pl.DataFrame(columns), catalog, f"synthetic-{n_items}")


def train(rank: int, size: int, port: int, *, n_items: int, users: int, divided: bool) -> dict[str, Any]:
    """Train as one of several processes; return what it took."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in numbers.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    import psutil
    import torch

    from llmrec.runtime import measured
    from llmrec.training import distributed

    torch.set_num_threads(1)
    data = synthetic(n_items, users)
    changes = {"batch_tokens": 2 * users * EVENTS // STEPS, "epochs": 2, "shard_items": divided}
    sequence = {"dim": WIDTH, "dropout": 0.0}
    recipe = llmrec.Recipe.of({"model": "gru", "sequence": sequence, "train": changes})
    distributed.start(n_histories=users)
    llmrec.models.from_recipe(recipe).fit(synthetic(100, users))
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


def row(n_items: int, size: int, *, users: int) -> dict[str, Any]:
    """Train both ways."""
    results = []
    for divided in (False, True):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
            task = partial(train, n_items=n_items, users=users, divided=divided)
            jobs = [pool.submit(task, rank, size, port) for rank in range(size)]
            results.append([job.result() for job in jobs])
    whole, shares = results
    return {
        "items": n_items,
        "processes": size,
        "table_gib": round(4 * WIDTH * n_items / 2**30, 3),
        "peak_memory_gib": round(max(one["peak_memory_gib"] for one in whole), 3),
        "peak_memory_divided_first_gib": round(shares[0]["peak_memory_gib"], 3),
        "peak_memory_divided_others_gib": round(max(one["peak_memory_gib"] for one in shares[1:]), 3),
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
    parser.add_argument("--users", type=int, default=40)
    args = parser.parse_args()
    rows = []
    for n_items in args.items:
        rows.append(row(n_items, args.processes, users=args.users))
        print(json.dumps(rows[-1]), flush=True)
    settings = {"users": args.users, "events of each user": EVENTS, "model": "gru", "width": WIDTH}
    write_result(args.out / "item_shards.json", {"Items divided over processes": rows}, settings=settings)


if __name__ == "__main__":
    main()
