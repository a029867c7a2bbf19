"""Training speed: one pass a history against one prompt a target (TRL), and against a plain padded Trainer.

python eval/benchmarks/throughput.py [--peer-python PYTHON]. The same model, LoRA, precision and threads, in one
run. PYTHON
is that of an environment with the requirements of eval/peers/trl_sft.py; without it TRL is left out. Writes
eval/results/throughput.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import DataCollatorForLanguageModeling, Trainer, TrainerCallback, TrainingArguments

from llmrec import Dataset, Histories, Recipe
from llmrec.config import AdapterConfig
from llmrec.data import Catalog, Sequences, fetch
from llmrec.llm.backbone import add_adapter
from llmrec.llm.weights import find_base, load_causal_lm
from llmrec.models import LLMRecommender
from llmrec.runtime import machine, versions

BASE = "smollm2-135m"


class Clock(TrainerCallback):
    """Adds up the steps, from their first batch to the optimizer's end: as our own training log does."""

    seconds = 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Begin."""
        self.began = time.perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Add."""
        self.seconds += time.perf_counter() - self.began


def cut(data: Dataset, users: int, lengths: list[int]) -> Dataset:
    """Take the first events of some users with more than 50: as many as ``lengths`` says, in turn."""
    counts = data.events.group_by("user_id", maintain_order=True).len().filter(pl.col("len") >= 51)["user_id"]
    wanted = pl.DataFrame({"user_id": counts[:users], "n": [lengths[n % len(lengths)] for n in range(users)]})
    events = data.events.join(wanted, on="user_id", maintain_order="left")
    events = events.filter(pl.int_range(pl.len()).over("user_id") < pl.col("n")).drop("n")
    # Only the items in use: encoding the others takes minutes and is no part of what is timed.
    used = data.catalog.table.filter(pl.col("item_id").is_in(events["item_id"].unique().implode()))
    return Dataset(events, Catalog(used), data.name, order_only=data.order_only)


def ours(data: Dataset, *changes: str) -> tuple[LLMRecommender, dict[str, float]]:
    """Train an epoch. Every event is a target once."""
    options = ["train.epochs=1", "train.batch_tokens=2400", "history.max_items=51", "backbone.dtype=float32"]
    model = LLMRecommender(Recipe.load("smollm2-135m-lora", set=[*options, *changes])).fit(data)
    log = model.train_log[0]
    return model, {
        "targets": data.events.height,
        "tokens": log["tokens"],
        "seconds": log["seconds"],
        "targets_per_second": data.events.height / log["seconds"],
        "tokens_per_second": log["tokens"] / log["seconds"],
    }


def texts(model: LLMRecommender, data: Dataset) -> list[list[int]]:
    """The token ids of every history, as our own training reads them."""
    sequences = Sequences.encode(Histories.from_events(data.events), model.catalog)
    return [model.encoder.written(sequences, n).tokens[0].tolist() for n in range(len(sequences))]


def padded_trainer(rows: list[list[int]]) -> dict[str, float]:
    """The usual loop: histories in random order, padded to the longest, the language-model loss."""
    base, tokenizer = load_causal_lm(BASE, dtype="float32")
    base.requires_grad_(False)
    model = add_adapter(base, AdapterConfig())
    collate, clock = DataCollatorForLanguageModeling(tokenizer, mlm=False), Clock()
    order = np.random.default_rng(0).permutation(len(rows))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            data_collator=collate,
            callbacks=[clock],
            train_dataset=[{"input_ids": rows[n]} for n in order],  # type: ignore[arg-type]
            args=TrainingArguments(
                folder,
                num_train_epochs=1,
                per_device_train_batch_size=3,
                use_cpu=not torch.cuda.is_available(),
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
        )
        trainer.train()
    tokens = sum(len(row) for row in rows)
    return {"tokens": tokens, "seconds": clock.seconds, "tokens_per_second": tokens / clock.seconds}


def trl(python: str, data: Dataset, titles: list[str], steps: int) -> dict[str, float]:
    """One prompt a target: 50 titles, the next one to be completed."""
    codes = data.catalog.codes(data.events["item_id"])
    users = data.events["user_id"].to_list()
    rows = [
        {
            "prompt": "The user saw, in this order:\n" + "".join(f"{titles[c]}\n" for c in codes[n - 50 : n]),
            "completion": titles[codes[n]] + "\n",
        }
        for n in range(50, len(users))
        if users[n] == users[n - 50]
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.parquet"
        pl.DataFrame(rows).write_parquet(file)
        script = Path(__file__).resolve().parents[1] / "peers" / "trl_sft.py"
        place, threads = find_base(BASE).location, torch.get_num_threads()
        command = [python, script, file, place, "--steps", steps, "--threads", threads]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "targets_per_second": found["targets"] / found["seconds"]}


def main() -> None:
    """Measure all, write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python")
    parser.add_argument("--out", type=Path, default=Path("eval/results/throughput.json"))
    asked = parser.parse_args()
    data = fetch("ml-100k")
    results: dict[str, Any] = {}
    full = cut(data, 12, [51])
    model, results["one pass"] = ours(full, "train.title_loss=0")
    if asked.peer_python:
        lines = [
            model.encoder.tokenizer.decode(model.encoder.serializer.line(n)).strip()
            for n in range(len(full.catalog))
        ]
        results["TRL, one prompt a target"] = trl(asked.peer_python, full, lines, steps=4)
    mixed = cut(data, 24, [10, 20, 35, 50])
    model, results["one pass, mixed lengths"] = ours(mixed, "train.title_loss=0")
    _, results["one pass, mixed lengths, with titles"] = ours(mixed, "train.title_loss=0.1")
    results["padded Trainer, mixed lengths"] = padded_trainer(texts(model, mixed))
    ratios = {"tokens_against_padded": _ratio(results, "one pass, mixed lengths", "padded Trainer, mixed lengths")}
    ratios["tokens_against_padded_with_titles"] = _ratio(
        results, "one pass, mixed lengths, with titles", "padded Trainer, mixed lengths"
    )
    if asked.peer_python:
        one, peer = results["one pass"], results["TRL, one prompt a target"]
        ratios["targets_against_trl"] = one["targets_per_second"] / peer["targets_per_second"]
    metadata = {"results": results, "ratios": ratios, "threads": torch.get_num_threads(), "machine": machine()}
    asked.out.write_text(json.dumps({**metadata, "versions": versions()}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(ratios, indent=1))


def _ratio(results: dict[str, Any], one: str, other: str) -> float:
    return float(results[one]["tokens_per_second"] / results[other]["tokens_per_second"])


if __name__ == "__main__":
    main()
