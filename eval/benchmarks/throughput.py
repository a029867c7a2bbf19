"""Training speed: one pass a history against one prompt a target (TRL), and against a plain padded Trainer.

python eval/benchmarks/throughput.py [--python trl=INTERPRETER] [--without-trl]. The same model, LoRA, precision
and threads, in one run; TRL in an environment of its own (eval/peers/trl_sft.py). Writes throughput.json.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from eval.benchmarks.padded_trainer import train_padded
from eval.common import arguments, open_data, run_measured, write_result
from eval.peers.launch import command, interpreters
from llmrec import Dataset, Histories, Recipe
from llmrec.data import Catalog, Sequences
from llmrec.llm.bases import find_base
from llmrec.models import LLMRecommender

BASE = "smollm2-135m"
TRL = "TRL, one prompt a target"
PADDED = "padded Trainer, mixed lengths"
MIXED = "one pass, mixed lengths"
TITLES = "one pass, mixed lengths, with titles"
# Each ratio: what, against what, in which speed.
RATIOS = (
    (MIXED, PADDED, "tokens_per_second"),
    (TITLES, PADDED, "tokens_per_second"),
    ("one pass", TRL, "targets_per_second"),
)


def first_events(data: Dataset, users: int, lengths: list[int]) -> Dataset:
    """Take the first events of some users with more than 50: as many as ``lengths`` says, in turn."""
    counts = data.events.group_by("user_id", maintain_order=True).len().filter(pl.col("len") >= 51)["user_id"]
    wanted = pl.DataFrame({"user_id": counts[:users], "n": [lengths[n % len(lengths)] for n in range(users)]})
    events = data.events.join(wanted, on="user_id", maintain_order="left")
    events = events.filter(pl.int_range(pl.len()).over("user_id") < pl.col("n")).drop("n")
    # Only the items in use: encoding the others takes minutes and is no part of what is timed.
    used = data.catalog.table.filter(pl.col("item_id").is_in(events["item_id"].unique().implode()))
    return Dataset(events, Catalog(used), data.name, order_only=data.order_only)


def one_pass(data: Dataset, *changes: str) -> tuple[LLMRecommender, dict[str, float]]:
    """Train an epoch of ours. Every event is a target once."""
    options = ["train.epochs=1", "train.batch_tokens=2400", "history.max_items=51", "backbone.dtype=float32"]
    model = LLMRecommender(Recipe.load("smollm2-135m-lora", set=[*options, *changes])).fit(data)
    log, targets = model.train_log[0], data.events.height
    speed = {
        f"{name}_per_second": n / log["seconds"] for name, n in (("targets", targets), ("tokens", log["tokens"]))
    }
    return model, {"targets": targets, "tokens": log["tokens"], "seconds": log["seconds"], **speed}


def padded_trainer(model: LLMRecommender, data: Dataset) -> dict[str, float]:
    """Train on the same tokens as most do: histories in random order, padded to the longest."""
    sequences = Sequences.encode(Histories.from_events(data.events), model.catalog)
    order = np.random.default_rng(0).permutation(len(sequences))
    rows = [model.encoder.serialized(sequences, n).tokens[0].tolist() for n in order]
    clock = train_padded(BASE, rows, dtype="float32", batch=3, epochs=1)
    speed = clock.tokens / clock.seconds
    return {"tokens": clock.tokens, "seconds": clock.seconds, "tokens_per_second": speed}


def trl(model: LLMRecommender, data: Dataset, python: str | None, steps: int = 4) -> dict[str, float]:
    """One prompt a target: 50 titles, the next one to be completed."""
    encoder, users = model.encoder, data.events["user_id"].to_list()
    lines = [
        str(encoder.tokenizer.decode(encoder.serializer.item_tokens[n])).strip() for n in range(len(data.catalog))
    ]
    titles = [lines[code] + "\n" for code in data.catalog.codes(data.events["item_id"])]
    rows = [
        {"prompt": "The user saw, in this order:\n" + "".join(titles[n - 50 : n]), "completion": titles[n]}
        for n in range(50, len(users))
        if users[n] == users[n - 50]
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.parquet"
        pl.DataFrame(rows).write_parquet(file)
        base, threads = find_base(BASE).location, torch.get_num_threads()
        words = [*command("trl_sft.py", python), file, base, "--steps", steps, "--threads", threads]
        values = run_measured(words).values()
    row = {name: values[name] for name in ("targets", "seconds")}
    return {**row, "targets_per_second": row["targets"] / row["seconds"]}


def main() -> None:
    """Measure all, write the ratios."""
    parser = arguments(__doc__)
    parser.add_argument("--python", nargs="*", default=[], metavar="trl=INTERPRETER", help="instead of uv run")
    parser.add_argument("--without-trl", action="store_true")
    args = parser.parse_args()
    data = open_data("ml-100k")
    results: dict[str, dict[str, Any]] = {}
    full = first_events(data, 12, [51])
    model, results["one pass"] = one_pass(full, "train.title_loss=0")
    if not args.without_trl:
        results[TRL] = trl(model, full, interpreters(args.python).get("trl"))
    mixed = first_events(data, 24, [10, 20, 35, 50])
    model, results[MIXED] = one_pass(mixed, "train.title_loss=0")
    _, results[TITLES] = one_pass(mixed, "train.title_loss=0.1")
    results[PADDED] = padded_trainer(model, mixed)
    ratios = [
        {"training": one, "against": other, "in": speed.replace("_", " "),
         "times": results[one][speed] / results[other][speed]}
        for one, other, speed in RATIOS
        if other in results
    ]  # fmt: skip
    print(*ratios, sep="\n")
    sections = {
        "Training": [{"training": name, **row} for name, row in results.items()],
        "How many times as fast": ratios,
    }
    write_result(args.out / "throughput.json", sections, settings={"threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
