"""Run other libraries in environments of their own and judge their lists by our metrics.

python eval/experiments/peers.py [--data DIR | ml-100k] [--users SHARE] [--python NAME=INTERPRETER ...] [--only
NAME ...]

Each of PEERS is a script of eval/peers/ with a PEP 723 header. It runs by `uv run`, or by the interpreter given
for it; it reads parquet and writes parquet (user_id, item_id, rank). Wall time and peak memory are those of its
whole process. Finished peers are kept in eval/results/peers/ and not run again; a failure is kept with its reason.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from eval.experiments.accuracy import sample
from llmrec import Dataset, Split
from llmrec.data import BUILTIN, fetch
from llmrec.evaluation import EvaluationProtocol
from llmrec.evaluation.significance import bootstrap
from llmrec.metrics import per_user
from llmrec.runtime import machine

HERE = Path(__file__).resolve().parents[1]
PEERS = {
    "implicit-als": ("implicit_als.py",),
    "rectools-sasrec": ("rectools_sequential.py", "--model", "sasrec", "--epochs", "60"),
    "rectools-sasrec-15": ("rectools_sequential.py", "--model", "sasrec", "--epochs", "15"),
    "rectools-sasrec-short": ("rectools_sequential.py", "--model", "sasrec", "--epochs", "15", "--length", "20"),
    "rectools-bert4rec": ("rectools_sequential.py", "--model", "bert4rec", "--epochs", "20"),
    "recbole-gru4rec": ("recbole_sequential.py", "--model", "GRU4Rec", "--epochs", "10"),
    "recbole-sasrec": ("recbole_sequential.py", "--model", "SASRec", "--epochs", "10"),
}


def run(command: list[str], folder: Path) -> tuple[float, float, str | None]:
    """Run a command in a folder, where peers leave what they like.

    Returns seconds, peak memory of all its processes in GiB, and why it failed, if it did.
    """
    with tempfile.TemporaryFile("w+") as told:
        began, peak = time.perf_counter(), 0
        process = psutil.Popen(command, cwd=folder, stdout=told, stderr=subprocess.STDOUT)
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in family))
            except psutil.Error:
                pass
            time.sleep(0.1)
        told.seek(0)
        lines = told.read().strip().splitlines() or ["it printed nothing"]
    return time.perf_counter() - began, peak / 1024**3, lines[-1] if process.returncode else None


def interpreters(words: list[str]) -> dict[str, str]:
    """Read NAME=INTERPRETER; found from here, whatever folder they will run in."""
    named = (word.split("=", 1) for word in words)
    return {name: str(Path(shutil.which(given) or given).absolute()) for name, given in named}


def judge(recs: pl.DataFrame, split: Split) -> dict[str, dict[str, float]]:
    """Our metrics with intervals, as the protocol says."""
    rules = EvaluationProtocol.load("leave-last-out")
    table = per_user(recs, split.test.answers, users=split.test.histories.user_ids, k=rules.k)
    return {
        column: bootstrap(table[column].to_numpy(), samples=rules.bootstrap_samples).model_dump()
        for column in rules.columns
    }


def write_given(split: Split, folder: Path) -> None:
    """Write what peers read: train.parquet and histories.parquet, the users whose next item is asked for."""
    split.train.events.write_parquet(folder / "train.parquet")
    asked_of = split.test.histories
    owners = np.repeat(np.array(asked_of.user_ids), asked_of.lengths())
    histories = asked_of.events.with_columns(user_id=pl.Series(owners))
    histories.write_parquet(folder / "histories.parquet")


def main() -> None:
    """Write what peers read, run those that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--users", type=float, default=1.0, help="a share of them, the same as accuracy.py's")
    parser.add_argument("--python", nargs="*", default=[], metavar="NAME=INTERPRETER")
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    asked = parser.parse_args()
    pythons = interpreters(asked.python)
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    named = data.name if asked.users == 1 else f"{data.name}-{asked.users:g}"
    data = data if asked.users == 1 else sample(data, asked.users)
    split = Split.leave_last_out(data)
    place = HERE / "results" / "peers"
    place.mkdir(parents=True, exist_ok=True)
    for name in asked.only:
        file = place / f"{named}-{name}.json"
        if file.is_file():
            continue
        with tempfile.TemporaryDirectory() as folder:
            given = Path(folder)
            write_given(split, given)
            script, *words = PEERS[name]
            start = [pythons[name]] if name in pythons else [shutil.which("uv") or "uv", "run"]
            command = [*start, str(HERE / "peers" / script), folder, str(given / "recs.parquet"), *words]
            seconds, peak, failure = run(command, given)
            metadata = {"peer": name, "data": named, "split": split.hash, "words": [script, *words]}
            if failure is None:
                metadata |= {"metrics": judge(pl.read_parquet(given / "recs.parquet"), split)}
            metadata |= {"seconds": round(seconds, 1), "peak_memory_gib": round(peak, 2), "failure": failure}
        file.write_text(json.dumps({**metadata, "machine": machine()}, indent=1) + "\n", encoding="utf-8")
        print(metadata, flush=True)


if __name__ == "__main__":
    main()
