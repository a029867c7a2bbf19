"""Damage thousands of event logs and catalogs and see that each is read or refused, never anything else.

python eval/benchmarks/fuzz.py [--cases 10000] [--seed 0] [--out eval/results/fuzz.json]. A case fails where
another error
than ours is raised, where it takes longer than the limit, or where rows in, dropped and kept do not add up.
"""

from __future__ import annotations

import argparse
import collections
import json
import logging
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

from llmrec import Dataset
from llmrec.errors import InputError

LIMIT_SECONDS = 10.0

_SPLICES = (
    b'"',
    b'""',
    b"'",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\x00",
    b"\xff\xfe",
    b"\xe9",
    "é🎬".encode(),
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\\u12",
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"99999999999999999999",
    b"user_id",
    b"::",
    b"#",
    b"\xef\xbb\xbf",
    b"  ",
    b"true",
    b"2024-02-30",
    b"0x1f",
    b"=1+1",
    b"\x1f",
    b"\xc3",
)
_USERS, _ITEMS = ("u1", "u2", "7", "008", ""), ("a", "b", "1.5", "c d", "é")
_BEHAVIORS = ("pv", "buy", "return", "")
_NAMES = (["user_id", "item_id", "timestamp"], ["uid", "iid", "ts", "rating"], ["userId", "movieId"])


def csv_log(rng: random.Random) -> bytes:
    """Write a log of a few rows as CSV, TSV or the like."""
    delimiter = rng.choice([",", ",", "\t", ";", "|"])
    names = rng.choice(
        [["user_id", "item_id", "timestamp"], ["uid", "iid", "ts", "rating"], ["userId", "movieId"]]
    )
    rows = [delimiter.join(names)]
    rows += [delimiter.join(_cell(name, rng) for name in names) for _ in range(rng.randrange(1, 12))]
    return (rng.choice(["\n", "\n", "\r\n"]).join(rows) + rng.choice(["\n", ""])).encode()


def json_log(rng: random.Random) -> bytes:
    """Write a log of a few rows as JSON lines."""
    names = ["user_id", "item_id", "timestamp", "price", "behavior", "title"][: rng.randrange(2, 7)]
    rows = []
    for _ in range(rng.randrange(1, 12)):
        row: dict[str, object] = {name: _cell(name, rng) for name in names if rng.random() > 0.05}
        if rng.random() < 0.2:
            row["extra"] = rng.choice([None, 1, [1, "x"], {"k": []}, True, 1.5])
        rows.append(json.dumps(row, ensure_ascii=rng.random() < 0.5))
    return "\n".join(rows).encode()


def _cell(name: str, rng: random.Random) -> str:
    kind = {"uid": "user", "userId": "user", "iid": "item", "movieId": "item"}.get(name, name.split("_")[0])
    if kind in ("timestamp", "ts"):
        return str(
            rng.choice(
                [1_700_000_000, 1_600_000_000, 5, *(["2024-05-31", "soon", ""] if rng.random() < 0.1 else [])]
            )
        )
    if kind in ("rating", "price"):
        return rng.choice(["1", "2.5", "-3", "", "4"] if rng.random() < 0.98 else ["dear"])
    choices = {"user": _USERS, "item": _ITEMS, "behavior": _BEHAVIORS}
    return rng.choice(choices.get(kind, ("Film", "Fílm", "")))


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut, double, swap, splice or flip pieces of a file."""
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(content) + 1)
        to = min(at + rng.randrange(1, 12), len(content))
        piece = rng.choice([b"", content[at:to] * 2, rng.choice(_SPLICES), content[at:to][::-1], rng.randbytes(2)])
        content = content[:at] + piece + content[to if rng.random() < 0.7 else at :]
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content


def options(rng: random.Random) -> dict[str, object]:
    """Choose cleaning options, so that every step meets damaged data."""
    flags = ("drop_unknown_items", "drop_items_without_text", "drop_bad_times", "drop_impossible", "drop_repeats")
    chosen: dict[str, object] = {name: True for name in flags if rng.random() < 0.8}
    return chosen | ({"min_item_events": 2} if rng.random() < 0.2 else {})


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
    for table, kept in (("events", data.events.height), ("items", len(data.catalog))):
        steps = [step for step in data.steps if step.table == table]
        left = steps[0].rows_in if steps else kept
        for step in steps:
            assert step.rows_in == left, f"{table}: {step.name} saw {step.rows_in} rows, {left} were left"
            left -= step.removed
        assert left == kept, f"{table}: {left} rows are accounted for, {kept} are there"
    return "read"


def guarded(case: int, seed: int) -> tuple[str, str]:
    """Run one case. Returns ``read``, ``refused`` or ``failed``, and what went wrong."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        try:
            outcome = check(case, seed, Path(place))
        except BaseException as error:  # a panic inside a library is no Exception
            return "failed", f"case {case} of seed {seed}: {type(error).__name__}: {error}"
    took = time.perf_counter() - began
    return ("failed", f"case {case} of seed {seed} took {took:.0f} s") if took > LIMIT_SECONDS else (outcome, "")


def _quiet() -> None:
    logging.disable(logging.CRITICAL)


def main() -> None:
    """Run all cases in two processes and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("eval/results/fuzz.json"))
    chosen = parser.parse_args()
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(2, _quiet) as pool:
        jobs = [pool.apply_async(guarded, (case, chosen.seed)) for case in range(chosen.cases)]
        found = []
        for case, job in enumerate(jobs):
            try:
                found.append(job.get(timeout=LIMIT_SECONDS * 6))
            except multiprocessing.TimeoutError:
                found.append(("failed", f"case {case} of seed {chosen.seed} hangs"))
    failures = [text for outcome, text in found if outcome == "failed"]
    counts = dict(collections.Counter(outcome for outcome, _ in found))
    metadata = {"cases": chosen.cases, "seed": chosen.seed, **counts, "failures": failures[:20]}
    metadata["seconds"] = round(time.perf_counter() - began, 1)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(metadata, indent=2))
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
