"""Answer synthetic users by a GRU run in a batch job: users a second, and whether memory stays flat.

python eval/benchmarks/batch_memory.py [--users 100000 1000000]. Each number of users is answered by one
process, whose largest resident size is sampled. The run is fitted on few. Writes batch_memory.json.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import llmrec
from eval.common import arguments, write_result
from llmrec.data import Catalog
from llmrec.data.toy import toy_films

EVENTS = 20  # of each user
ITEMS = 2000
TRAINED_ON = 2000


def synthetic(n_users: int, n_items: int = ITEMS) -> llmrec.Dataset:
    """Users who follow one fixed random order of the items, with jumps; titles are the toy films'."""
    draw = np.random.default_rng(0)
    steps = np.where(draw.random((n_users, EVENTS)) < 0.8, 1, draw.integers(0, n_items, (n_users, EVENTS)))
    items = np.random.default_rng(1).permutation(n_items)[steps.cumsum(axis=1).reshape(-1) % n_items]
    ids = pl.Series(np.arange(n_users)).cast(pl.String).str.zfill(8)
    columns = {
        "user_id": ids.gather(np.repeat(np.arange(n_users), EVENTS)),
        "item_id": pl.Series(np.arange(n_items)).cast(pl.String).gather(items),
        "timestamp": np.tile(1_600_000_000 + 86_400 * np.arange(EVENTS), n_users),
    }
    catalog = Catalog(toy_films(n_items=n_items, n_users=2).catalog.table)
    return llmrec.Dataset(pl.DataFrame(columns), catalog, f"synthetic-{n_users}")


def prepare(n_users: int, folder: Path) -> None:
    """Write the data of so many users, and a GRU fitted on some of them where there is none."""
    synthetic(n_users).save(folder / str(n_users))
    if not (folder / "gru").exists():
        few = synthetic(min(n_users, TRAINED_ON))
        recipe = llmrec.Recipe.load("gru", set=["train.epochs=1", "train.max_minutes=1"])
        llmrec.fit(recipe, few, llmrec.Split.leave_last_out(few), folder / "gru", progress=False)


def answer(n_users: int, folder: Path) -> dict[str, Any]:
    """Answer all users; return what it took."""
    from llmrec.runtime import measured

    with measured() as spent:
        done = llmrec.batch(folder / "gru", folder / f"out-{n_users}", data=folder / str(n_users), progress=True)
    assert done.n_users == n_users
    written = sum(path.stat().st_size for path in (folder / f"out-{n_users}").glob("part-*"))
    return {
        "users": n_users,
        "users_per_second": round(n_users / spent.seconds, 1),
        "seconds": round(spent.seconds, 1),
        "peak_memory_gib": round(spent.peak_memory_gib, 3),
        "written_mib": round(written / 2**20, 3),
    }


def rows(counts: list[int], folder: Path) -> list[dict[str, Any]]:
    """Measure every number of users, preparing and answering in a process each."""
    measured_rows = []
    for count in counts:
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
            pool.submit(prepare, count, folder).result()
            measured_rows.append(pool.submit(answer, count, folder).result())
        print(json.dumps(measured_rows[-1]), flush=True)
    return measured_rows


def main() -> None:
    """Measure and write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[100_000, 1_000_000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measured_rows = rows(args.users, Path(temporary))
    settings = {"events of each user": EVENTS, "items": ITEMS, "model": "gru", "k": 10}
    write_result(args.out / "batch_memory.json", {"Batch recommendations": measured_rows}, settings=settings)


if __name__ == "__main__":
    main()
