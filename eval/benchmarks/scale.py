"""Prepare and split a generated log of 20 million events, and do the same with pandas: memory and speed.

python eval/benchmarks/scale.py [--events N] [--items N]. Each side runs in a process of its own, so that its peak
memory is its own; both read one CSV file and write Parquet. Writes scale.json.
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
from llmrec import Dataset, Split


def generate(path: Path, events: int, items: int) -> None:
    """Write a log with long-tailed users and items, 0.1 % exact duplicates, in no order; in pieces."""
    rng = np.random.default_rng(0)
    users = max(events // 40, 1)
    with path.open("wb") as file:
        for start in range(0, events, 2_000_000):
            n = min(2_000_000, events - start)
            columns = {
                "user_id": (users * rng.random(n) ** 1.5).astype(np.int64),
                "item_id": (items * rng.random(n) ** 3).astype(np.int64),
                "timestamp": 1_600_000_000 + rng.integers(90_000_000, size=n),
            }
            table = pl.DataFrame(columns)
            table = pl.concat([table[: n - n // 1000], table[: n // 1000]])
            named = [pl.format("u{}", "user_id").alias("user_id"), pl.format("i{}", "item_id").alias("item_id")]
            table.with_columns(named).write_csv(file, include_header=start == 0)


def with_llmrec(log: Path, out: Path) -> dict[str, float]:
    """Prepare and split as the command line does."""
    began = time.perf_counter()
    data = Dataset.from_files(log, min_item_events=5, min_user_events=5)
    data.save(out / "data")
    prepared = time.perf_counter()
    split = Split.leave_last_out(data)
    split.save(out / "split")
    seconds = {"prepare_seconds": prepared - began, "split_seconds": time.perf_counter() - prepared}
    train, valid, test = np.bincount(split.parts, minlength=3)[:3].tolist()
    return seconds | {"train": train, "valid": valid, "test": test}


def with_pandas(log: Path, out: Path) -> dict[str, float]:
    """The same steps as pandas users write them, without the checks, the catalog and the hashes."""
    import pandas as pd

    began = time.perf_counter()
    table = pd.read_csv(log, dtype={"user_id": str, "item_id": str})
    table = table.dropna(subset=["user_id", "item_id", "timestamp"]).drop_duplicates()
    rows = 0
    while rows != len(table):
        rows = len(table)
        for column in ("item_id", "user_id"):
            table = table[table.groupby(column)[column].transform("size") >= 5]
    table = table.sort_values(["user_id", "timestamp"], kind="stable")
    table.to_parquet(out / "pandas.parquet")
    prepared = time.perf_counter()
    from_end = table.groupby("user_id").cumcount(ascending=False)
    long = table.groupby("user_id")["user_id"].transform("size") >= 3
    test, valid = table[long & (from_end == 0)], table[long & (from_end == 1)]
    train = table[~long | (from_end > 1)]
    for name, part in (("train", train), ("valid", valid), ("test", test)):
        part.to_parquet(out / f"{name}.parquet")
    seconds = {"prepare_seconds": prepared - began, "split_seconds": time.perf_counter() - prepared}
    return seconds | {"train": len(train), "valid": len(valid), "test": len(test)}


SIDES = {"llmrec": with_llmrec, "pandas": with_pandas}


def main() -> None:
    """Generate, measure both sides in turn, write the result."""
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--side", choices=SIDES, help="do the work of one side: --log, --work")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(SIDES[args.side](args.log, args.work)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        generate(log, args.events, args.items)
        for side in SIDES:
            work = Path(folder) / side
            work.mkdir()
            run = run_measured([sys.executable, __file__, "--side", side, "--log", log, "--work", work])
            row = run.values() | {"peak_memory_gib": round(run.peak_memory_gib, 2)}
            row["events_per_second"] = round(args.events / (row["prepare_seconds"] + row["split_seconds"]))
            rows.append({"side": side, **row})
            print(rows[-1], flush=True)
    ours, theirs = rows
    ours["times_pandas"] = round(ours["events_per_second"] / theirs["events_per_second"], 2)
    ours["same_parts"] = all(ours[part] == theirs[part] for part in ("train", "test"))
    settings = {"events": args.events, "items": args.items}
    write_result(args.out / "scale.json", {"Prepare and split": rows}, settings=settings)


if __name__ == "__main__":
    main()
