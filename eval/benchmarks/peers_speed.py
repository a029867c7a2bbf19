"""Time an epoch of SASRec here and in other libraries: python eval/benchmarks/peers_speed.py [--python
NAME=INTERPRETER ...].

Two layers of 128, windows of 50 items, softmax over the whole catalog, one thread each, in turns. An epoch is the
difference between training one more and one fewer (whole processes for peers), so that starting up and answering
do not count. RecBole makes one sample of each prefix of a history; the others learn every position in one pass.
RecTools' epoch learns the newest 51 events of each person, 128 people a batch: ours is timed on such events and
batches (llmrec-sasrec-equal), and as its recipe has it, which learns every event.
Writes eval/results/peers_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from eval.experiments.peers import HERE, interpreters, run, write_given
from llmrec import Dataset, Recipe, Split
from llmrec.data import BUILTIN, fetch
from llmrec.models import from_recipe
from llmrec.runtime import machine, versions

SIZES = ["--dim", "128", "--length", "50"]
PEERS = {
    "rectools-sasrec": ["rectools_sequential.py", "--model", "sasrec", *SIZES],
    "recbole-sasrec": ["recbole_sequential.py", "--model", "SASRec", "--unvalidated", *SIZES],
}


OURS = {"llmrec-sasrec": [], "llmrec-sasrec-equal": [f"train.batch_tokens={128 * 51}"]}


def newest(data: Dataset, most: int) -> Dataset:
    """Keep each person's newest events."""
    events = data.events.group_by("user_id", maintain_order=True).tail(most)
    return Dataset.from_tables(events, items=data.catalog.table, name=data.name)


def own(data: Dataset, epochs: int, changes: list[str]) -> float:
    """Seconds that our SASRec trains so many epochs."""
    sizes = ["sequence.dim=128", "sequence.layers=2", "sequence.max_items=50", f"train.epochs={epochs}"]
    model = from_recipe(Recipe.load("sasrec", set=[*sizes, *changes]))
    began = time.perf_counter()
    model.fit(data)
    return time.perf_counter() - began


def peer(folder: Path, words: list[str], python: str | None, epochs: int) -> float:
    """Seconds of a peer's whole process."""
    start = [python] if python else [shutil.which("uv") or "uv", "run"]
    script, *rest = words
    given = [str(HERE / "peers" / script), str(folder), str(folder / "recs.parquet"), "--epochs", str(epochs)]
    seconds, _, failure = run([*start, *given, *rest], folder)
    if failure:
        raise SystemExit(f"{script}: {failure}")
    return seconds


def main() -> None:
    """Train in turns, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--python", nargs="*", default=[], metavar="NAME=INTERPRETER")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PEERS), choices=PEERS)
    asked = parser.parse_args()
    pythons = interpreters(asked.python)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.leave_last_out(data)
    seconds: dict[str, list[float]] = {name: [] for name in (*OURS, *asked.only)}
    taught = {"llmrec-sasrec": split.train, "llmrec-sasrec-equal": newest(split.train, 51)}
    with tempfile.TemporaryDirectory() as folder:
        write_given(split, Path(folder))
        for _ in range(asked.rounds):
            for name, changes in OURS.items():
                one, three = (own(taught[name], epochs, changes) for epochs in (1, 3))
                seconds[name].append((three - one) / 2)
            for name in asked.only:
                one, two = (peer(Path(folder), PEERS[name], pythons.get(name), epochs) for epochs in (1, 2))
                seconds[name].append(two - one)
            print({name: round(found[-1], 2) for name, found in seconds.items()}, flush=True)
    found = {
        "data": data.name,
        "seconds_per_epoch": {name: [round(one, 2) for one in values] for name, values in seconds.items()},
        "events_per_epoch": {name: data.events.height for name, data in taught.items()},
        "times_ours": {
            name: {ours: round(median(seconds[name]) / median(seconds[ours]), 2) for ours in OURS}
            for name in asked.only
        },
        "threads": 1,
        "machine": machine(),
        "versions": versions(),
    }
    Path("eval/results/peers_speed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
