"""Time reasons: five in a loaded process, planned and in an LLM's words; their evidence; and the whole command.

python eval/benchmarks/explain_speed.py RUN [RUN ...] [--user 1] [-k 5] [--repeats 3]
Reasons: seconds a sentence, planned (the default) and by the run's base LLM, in one process. Evidence: a history
with each of its newest items left out, scored by whole passes and with what the histories share read once; by how
much the scores differ. Command: `llmrec recommend RUN --user USER -k K` without and with `--explain`, wall time of
new processes; the first may read its files from the disk. Writes explain_speed.json.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import llmrec
from eval.common import arguments, run_measured, write_result
from llmrec.models.ranker import Ranker
from llmrec.reasons import base_narrator

Row = dict[str, Any]


def timed(function: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return wall and CPU seconds of the quickest of several calls."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(times)


def reasons(model: Ranker, user: str, k: int, repeats: int) -> list[Row]:
    """Time reasons for a user's list, in plain words and in those of the run's base LLM, where it has one."""
    histories = model.histories.of_user(user)
    recs = model.recommend(histories, k)
    narrators = {"planned": None, "by the base LLM": base_narrator(model)}
    if narrators["by the base LLM"] is None:
        narrators.pop("by the base LLM")
    rows: list[Row] = []
    for mode, narrator in narrators.items():
        llmrec.explain(model, recs[:1], histories, narrator=narrator)  # loads what is read at the first use
        wall, cpu = timed(lambda of=narrator: llmrec.explain(model, recs, histories, narrator=of), repeats)  # type: ignore[misc]
        rows.append({"mode": mode, "seconds": wall, "cpu_seconds": cpu, "seconds_a_sentence": wall / recs.height})
    if len(rows) > 1:
        rows[1]["times_planned"] = rows[1]["seconds"] / rows[0]["seconds"]
    return rows


def evidence(model: Ranker, user: str, repeats: int, *, most: int = 50) -> list[Row]:
    """Time the scores of a history without each of its newest items, whole passes against shared beginnings."""
    items = model.histories.of_user(user).items(0)
    variants = [items[:n] + items[n + 1 :] for n in range(len(items) - 1, max(len(items) - 1 - most, -1), -1)]
    histories = llmrec.Histories.of([items, *variants])
    modes = {"whole passes": model.score, "shared beginnings": model.score_variants}
    scores = {mode: score(histories) for mode, score in modes.items()}
    differs = float(np.abs(np.subtract(*scores.values())).max())
    rows: list[Row] = []
    for mode, score in modes.items():
        wall, cpu = timed(lambda by=score: by(histories), repeats)  # type: ignore[misc]
        rows.append({"mode": mode, "histories": len(histories), "seconds": wall, "cpu_seconds": cpu})
    rows[1] |= {"times_as_fast": rows[0]["seconds"] / rows[1]["seconds"], "largest_difference": differs}
    return rows


def command(run: Path, user: str, k: int, repeats: int) -> list[Row]:
    """Time the command in new processes."""
    rows: list[Row] = []
    for options in ([], ["--explain"]):
        words = [sys.executable, "-m", "llmrec", "recommend", run, "--user", user, "-k", k, *options]
        seconds = [run_measured(words) for _ in range(repeats)]
        failed = next((one.failure for one in seconds if one.failure), None)
        if failed:
            raise SystemExit(failed)
        walls = [one.seconds for one in seconds]
        rows.append(
            {"options": " ".join(options) or "none", "first_seconds": walls[0], "quickest_seconds": min(walls)}
        )
    return rows


def main() -> None:
    """Time all parts of each run."""
    parser = arguments(__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--user", default="1")
    parser.add_argument("-k", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    sections: dict[str, list[Row]] = {"Command": [], "Reasons in one process": [], "Evidence": []}
    for run in args.runs:
        sections["Command"] += [{"run": run.name} | row for row in command(run, args.user, args.k, args.repeats)]
        model = llmrec.load(run).prepare()
        parts = {
            "Reasons in one process": reasons(model, args.user, args.k, args.repeats),
            "Evidence": evidence(model, args.user, args.repeats),
        }
        for name, rows in parts.items():
            sections[name] += [{"run": run.name} | row for row in rows]
    for name, rows in sections.items():
        print(name, *rows, sep="\n")
    write_result(args.out / "explain_speed.json", sections, settings={"user": args.user, "k": args.k})


if __name__ == "__main__":
    main()
