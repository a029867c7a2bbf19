"""Prepare and split a generated log of 20 million events, and do the same with pandas: memory and speed.

python eval/benchmarks/scale.py [--events N] [--items N] [--out eval/results/scale.json]. Each side runs in a
process of
its own, so that its peak memory is its own; both read one CSV file and write Parquet.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from llmrec.runtime import machine, versions


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


def with_llmrec(log: Path, out: Path) -> dict[str, object]:
    """Prepare and split as the command line does."""
    from llmrec import Dataset, Split

    began = time.perf_counter()
    data = Dataset.from_files(log, min_item_events=5, min_user_events=5)
    data.save(out / "data")
    prepared = time.perf_counter()
    split = Split.leave_last_out(data)
    split.save(out / "split")
    return {"prepare_seconds": prepared - began, "split_seconds": time.perf_counter() - prepared, **_counts(split)}


def with_pandas(log: Path, out: Path) -> dict[str, object]:
    """The same steps in the usual pandas way, without the checks, the catalog and the hashes."""
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


def _counts(split: object) -> dict[str, object]:
    train, valid, test = np.bincount(split.parts, minlength=3)[:3].tolist()  # type: ignore[attr-defined]
    return {"train": train, "valid": valid, "test": test}


def _measured(work: Callable[[Path, Path], dict[str, object]], log: Path, out: Path, queue: object) -> None:
    found = work(log, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    queue.put({**found, "peak_memory_gib": round(peak, 2)})  # type: ignore[attr-defined]


def measure(work: Callable[[Path, Path], dict[str, object]], log: Path, out: Path) -> dict[str, object]:
    """Run one side in a fresh process. Returns seconds, peak memory and the size of each part."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    out.mkdir()
    process = context.Process(target=_measured, args=(work, log, out, queue))
    process.start()
    found: dict[str, object] = queue.get()
    process.join()
    return found


def main() -> None:
    """Generate, measure both sides, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--only", choices=["llmrec", "pandas"])
    parser.add_argument("--out", type=Path, default=Path("eval/results/scale.json"))
    chosen = parser.parse_args()
    sides = {"llmrec": with_llmrec, "pandas": with_pandas}
    results: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log.csv"
        generate(log, chosen.events, chosen.items)
        for name, work in sides.items():
            if chosen.only in (None, name):
                found = measure(work, log, Path(place) / name)
                total = float(str(found["prepare_seconds"])) + float(str(found["split_seconds"]))
                results[name] = {**found, "events_per_second": round(chosen.events / total)}
                print(name, results[name], flush=True)
    metadata: dict[str, object] = {"events": chosen.events, "items": chosen.items, "results": results}
    if len(results) == len(sides):
        ours, theirs = (float(str(results[name]["events_per_second"])) for name in sides)
        metadata["times_pandas"] = round(ours / theirs, 2)
        metadata["same_parts"] = all(
            results["llmrec"][part] == results["pandas"][part] for part in ("train", "test")
        )
    metadata |= {"machine": machine(), "versions": versions()}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    print(f"{chosen.out}: {metadata.get('times_pandas')} times pandas")


if __name__ == "__main__":
    main()
