"""Damage thousands of event logs and catalogs and see that each is read or refused, never anything else.

python eval/benchmarks/fuzz.py [--cases 10000] [--seed 0] [--against-stdlib]. A case fails where another error than
ours is raised, where it takes longer than the limit, or where rows in, dropped and left do not add up. Writes
fuzz.json. With --against-stdlib, 2,000 whole logs are read by Python's csv and json, too: against_stdlib.json.
"""

from __future__ import annotations

import collections
import logging
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from eval.benchmarks.against_stdlib import check_against_stdlib
from eval.benchmarks.damaged_logs import csv_log, damaged, json_log, options
from eval.common import arguments, write_result
from llmrec import Dataset
from llmrec.errors import InputError

LIMIT_SECONDS = 10.0
Check = Callable[[int, int, Path], str]


def check(case: int, seed: int, folder: Path) -> str:
    """Make and read one damaged log. Returns what came of it; raises AssertionError where rows do not add up."""
    rng = random.Random(f"{seed}:{case}")
    write, ending = rng.choice([(csv_log, "csv"), (csv_log, "tsv"), (json_log, "jsonl"), (json_log, "json")])
    path = folder / f"log.{ending}"
    path.write_bytes(damaged(write(rng), rng))
    items = None
    if rng.random() < 0.3:
        items = folder / "items.csv"
        items.write_bytes(damaged(b"item_id,title\na,Film A\nb,Film B\n1.5,Half\n", rng))
    try:
        data = Dataset.from_files(path, items=items, **options(rng))  # type: ignore[arg-type]
    except InputError as error:
        assert "\n" not in str(error), f"an error of several lines: {error}"
        return "refused"
    for table, rows in (("events", data.events.height), ("items", len(data.catalog))):
        steps = [step for step in data.steps if step.table == table]
        left = steps[0].rows_in if steps else rows
        for step in steps:
            assert step.rows_in == left, f"{table}: {step.name} saw {step.rows_in} rows, {left} were left"
            left -= step.removed
        assert left == rows, f"{table}: {left} rows are accounted for, {rows} are there"
    return "read"


def guarded(case: int, seed: int, check: Check = check) -> tuple[str, str]:
    """Run one case. Returns ``read``, ``refused`` or ``failed``, and what went wrong."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcome = check(case, seed, Path(folder))
        except BaseException as error:  # a panic inside a library is no Exception
            return "failed", f"case {case} of seed {seed}: {type(error).__name__}: {error}"
    took = time.perf_counter() - began
    return ("failed", f"case {case} of seed {seed} took {took:.0f} s") if took > LIMIT_SECONDS else (outcome, "")


def _quiet() -> None:
    logging.disable(logging.CRITICAL)


def main() -> None:
    """Run all cases in two processes and write the counts."""
    parser = arguments(__doc__)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--against-stdlib", action="store_true", help="compare with csv and json: 2,000 cases")
    args = parser.parse_args()
    args.cases = args.cases or (2_000 if args.against_stdlib else 10_000)
    chosen, name = (check_against_stdlib, "against_stdlib.json") if args.against_stdlib else (check, "fuzz.json")
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(2, _quiet) as pool:
        jobs = [pool.apply_async(guarded, (case, args.seed, chosen)) for case in range(args.cases)]
        outcomes = []
        for case, job in enumerate(jobs):
            try:
                outcomes.append(job.get(timeout=LIMIT_SECONDS * 6))
            except multiprocessing.TimeoutError:
                outcomes.append(("failed", f"case {case} of seed {args.seed} hangs"))
    failures = [text for outcome, text in outcomes if outcome == "failed"]
    counts = collections.Counter(outcome for outcome, _ in outcomes)
    write_result(
        args.out / name,
        {"What came of them": [{"outcome": outcome, "logs": n} for outcome, n in sorted(counts.items())]},
        settings={"cases": args.cases, "seed": args.seed, "seconds": round(time.perf_counter() - began, 1)},
        details={"failures": failures[:20]},
    )
    print(*failures[:20], sep="\n")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
