"""Time an epoch of SASRec here and in other libraries, one thread each, in turns.

python eval/benchmarks/peers_speed.py [--data DIR] [--rounds N] [--python NAME=INTERPRETER ...] [--only NAME ...]
Two layers of 128, windows of 50 items, softmax over the whole catalog. An epoch is the difference between training
one more and one fewer (whole processes for peers), so that starting up and recommending do not count. RecBole
makes one sample of each prefix of a history; the others train every position in one pass. RecTools' epoch trains
on the newest 51 events of each user, 128 users a batch: ours is timed on such events and batches
(llmrec-sasrec-equal), and as its recipe has it, on every event. Writes peers_speed.json.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from eval.common import arguments, open_data, run_measured, write_result
from eval.peers.launch import command, interpreters, write_split
from llmrec import Dataset, Recipe, Split
from llmrec.models import from_recipe

SIZES = ("--dim", "128", "--length", "50")
PEERS = {
    "rectools-sasrec": ("rectools_sequential.py", "--model", "sasrec", *SIZES),
    "recbole-sasrec": ("recbole_sequential.py", "--model", "SASRec", "--unvalidated", *SIZES),
}
OURS = {"llmrec-sasrec": [], "llmrec-sasrec-equal": [f"train.batch_tokens={128 * 51}"]}


def newest(data: Dataset, most: int) -> Dataset:
    """Take each user's newest events."""
    events = data.events.group_by("user_id", maintain_order=True).tail(most)
    return Dataset.from_tables(events, items=data.catalog.table, name=data.name)


def our_seconds(data: Dataset, epochs: int, changes: list[str]) -> float:
    """Seconds that our SASRec trains so many epochs."""
    sizes = ["sequence.dim=128", "sequence.layers=2", "sequence.max_items=50", f"train.epochs={epochs}"]
    model = from_recipe(Recipe.load("sasrec", set=[*sizes, *changes]))
    began = time.perf_counter()
    model.fit(data)
    return time.perf_counter() - began


def peer_seconds(folder: Path, words: tuple[str, ...], python: str | None, epochs: int) -> float:
    """Seconds of a peer's whole process."""
    script, *options = words
    recs = folder / "recs.parquet"
    run = run_measured([*command(script, python), folder, recs, "--epochs", epochs, *options], cwd=folder)
    if run.failure:
        raise SystemExit(run.failure)
    return run.seconds


def main() -> None:
    """Train in turns, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--python", nargs="*", default=[], metavar="NAME=INTERPRETER")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PEERS), choices=PEERS)
    args = parser.parse_args()
    pythons = interpreters(args.python)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    data = open_data(args.data)
    split = Split.leave_last_out(data)
    seconds: dict[str, list[float]] = {name: [] for name in (*OURS, *args.only)}
    trained_on = {"llmrec-sasrec": split.train, "llmrec-sasrec-equal": newest(split.train, 51)}
    with tempfile.TemporaryDirectory() as folder:
        write_split(split, Path(folder))
        for _ in range(args.rounds):
            for name, changes in OURS.items():
                one, three = (our_seconds(trained_on[name], epochs, changes) for epochs in (1, 3))
                seconds[name].append((three - one) / 2)
            for name in args.only:
                one, two = (peer_seconds(Path(folder), PEERS[name], pythons.get(name), n) for n in (1, 2))
                seconds[name].append(two - one)
            print({name: round(values[-1], 2) for name, values in seconds.items()}, flush=True)
    epochs = [
        {
            "side": name,
            "seconds_of_each_round": [round(one, 2) for one in values],
            "events": trained_on[name].events.height if name in trained_on else None,
        }
        for name, values in seconds.items()
    ]
    medians = {name: median(values) for name, values in seconds.items()}
    ratios = [
        {"side": name, "against": ours, "times": round(medians[name] / medians[ours], 2)}
        for name in args.only
        for ours in OURS
    ]
    sections = {"An epoch": epochs, "Median time per epoch": ratios}
    write_result(args.out / "peers_speed.json", sections, settings={"data": data.name, "threads": 1})


if __name__ == "__main__":
    main()
