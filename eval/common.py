"""What the scripts of eval/ share: their arguments, data by name or folder, a child process measured, a result.

They run from the root of the repository: `python eval/experiments/NAME.py` where llmrec is installed from this
checkout (`make test`, `pip install -e .`), else `python -m eval.experiments.NAME`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from llmrec import Dataset, Histories, provenance
from llmrec.evaluation import Report, ResponseReport
from llmrec.resources.cache import replace_file

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "eval" / "results"
Row = Mapping[str, Any]


def arguments(description: str | None, *, data: bool = False) -> argparse.ArgumentParser:
    """Start a script's command line: ``--out``, and ``--data`` where the script takes a data set."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result (eval/results)")
    if data:
        parser.add_argument("--data", default="ml-100k", help="a built-in name or a folder (ml-100k)")
    return parser


def open_data(name_or_folder: str, *, users: float = 1.0) -> Dataset:
    """Open a built-in data set or a folder. ``users``: a share of them, the same ones every time.

    On MovieLens every rating counts as a right answer, also the lowest, as in published results on it.
    """
    data = Dataset.load(name_or_folder)
    if data.name.startswith("ml-"):
        data = data.with_positive("all")
    if users == 1:
        return data
    sampled = data.events["user_id"].unique(maintain_order=True).sample(fraction=users, seed=0).implode()
    part = data.with_events(data.events.filter(pl.col("user_id").is_in(sampled)))
    return replace(part, name=f"{data.name}-{users:g}")


def with_log(histories: Histories, name_or_folder: str) -> Histories:
    """Return histories with what the log says of each event: times and prices, which a run need not hold."""
    events = open_data(name_or_folder).events
    users = pl.Series(histories.user_ids, dtype=pl.String).implode()
    return Histories.from_events(events.filter(pl.col("user_id").is_in(users)), users=histories.user_ids)


@dataclass(frozen=True)
class Measured:
    """A finished child process. ``failure``: its last line where it failed."""

    output: str
    seconds: float
    peak_memory_gib: float
    failure: str | None = None

    def values(self) -> dict[str, Any]:
        """Read the JSON of the last line printed. Raises SystemExit where the process failed."""
        if self.failure is not None:
            raise SystemExit(self.failure)
        values: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return values


def run_measured(command: Sequence[object], *, cwd: Path | None = None, every: float = 0.05) -> Measured:
    """Run a command. Its memory: resident size of the process and its children, sampled ``every`` seconds."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began, peak = time.perf_counter(), 0
        process = psutil.Popen(words, cwd=cwd, stdout=output, stderr=errors)
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in family))
            except psutil.Error:
                pass  # one of them ended between the two calls
            time.sleep(every)
        seconds = time.perf_counter() - began
        for file in (output, errors):
            file.seek(0)
        printed, complaints = output.read(), errors.read().strip() or "it printed nothing"
    failure = f"{shlex.join(words)}: {complaints.splitlines()[-1]}" if process.returncode else None
    return Measured(printed, seconds, peak / 1024**3, failure)


def write_result(
    path: Path,
    sections: Mapping[str, Sequence[Row]] | None = None,
    *,
    settings: Row | None = None,
    report: Report | None = None,
    responses: ResponseReport | None = None,
    details: Row | None = None,
) -> None:
    """Write a result file, whole or not at all; `eval/report.py` shows every part of it but ``details``.

    ``sections``: tables by title, a row a mapping; an interval is a mapping of mean, low and high, and names end
    in their unit (``_seconds``, ``_ms``, ``_gib``). ``settings``: what all rows share. ``report``,
    ``responses``: reports of the package, whose machine and versions are the result's.
    """
    source = report or responses
    values = {
        "name": path.stem,
        "date": datetime.date.today().isoformat(),
        "command": _command(),
        **({"machine": source.machine, "versions": source.versions} if source else provenance()),
        "settings": settings or {},
        "sections": [{"title": title, "rows": list(rows)} for title, rows in (sections or {}).items()],
    }
    values |= {"report": report.to_dict()} if report else {}
    values |= {"responses": responses.to_dict()} if responses else {}
    values |= {"details": details} if details else {}
    replace_file(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    print(f"written: {path}")


def read_result(path: Path) -> dict[str, Any]:
    """Read a result file."""
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _command() -> str:
    script = Path(sys.argv[0]).resolve()
    named = script.relative_to(ROOT) if script.is_relative_to(ROOT) else script.name
    return shlex.join(["python", str(named), *sys.argv[1:]])
