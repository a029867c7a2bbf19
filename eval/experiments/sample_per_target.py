"""Fine-tune an LLM on one prompt a target, as most do, and evaluate it beside models that train on every position.

python eval/experiments/sample_per_target.py [RUN ...] [--data DIR] [--minutes 10] [--python trl=INTERPRETER] TRL's
SFTTrainer, in an environment of its own (eval/peers/trl_sft.py), fine-tunes the base model for the minutes, or on
PROMPTS prompts: a history, twenty candidates, the letter of the right one (after TALLRec, Bao et al. 2023, and
LLaRA, Liao et al. 2024), all from training events. Then it, the base model untuned, popularity and the finished
RUNs rank the same candidates (the protocol candidates-20). Writes sample-per-target-DATA.json.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console

from eval.common import arguments, open_data, run_measured, write_result
from eval.peers.launch import command, interpreters
from llmrec import Dataset, Recipe, Split, evaluate, load
from llmrec.data import Sequences
from llmrec.llm.bases import find_base
from llmrec.llm.candidate_scoring import LETTERS
from llmrec.models import PromptRanking, Ranker, from_recipe
from llmrec.runtime import resolve_dtype

BASE = "smollm2-135m"
CANDIDATES = 20  # and as many items of a history
PROMPTS = 5000
BATCH = 8


def examples(model: PromptRanking, train: Dataset, number: int) -> pl.DataFrame:
    """Draw training events at random, each the target of a prompt. Returns prompt and completion, as messages.

    The wrong candidates are drawn by popularity among what the user never chose in training.
    """
    sequences, draw = Sequences.encode(train.histories, train.catalog), np.random.default_rng(0)
    owners, codes = sequences.users(), sequences.codes.astype(np.int64)
    counts, rows = np.bincount(codes, minlength=len(train.catalog)), []
    targets = np.flatnonzero(np.arange(len(codes)) > sequences.offsets[owners])  # a history has an item at least
    for at in draw.permutation(targets)[:number]:
        weights = counts.astype(np.float64)
        weights[sequences[owners[at]]] = 0
        others = draw.choice(len(counts), CANDIDATES - 1, replace=False, p=weights / weights.sum())
        candidates = np.append(others, codes[at])
        messages, order = model.prompt(codes[sequences.offsets[owners[at]] : at], candidates)
        letter = LETTERS[candidates[order].tolist().index(codes[at])]
        rows.append({"prompt": messages, "completion": [{"role": "assistant", "content": letter}]})
    return pl.DataFrame(rows)


def fine_tuned(
    python: str | None, prompts: pl.DataFrame, minutes: float, work: Path
) -> tuple[Path, dict[str, Any]]:
    """Train by TRL. Returns the folder of the model, and what its training took."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    prompts.write_parquet(work / "prompts.parquet")
    options = ["--minutes", minutes, "--batch", BATCH, "--out", work / "model"]
    options += ["--bf16"] if resolve_dtype("auto") == "bfloat16" else []
    words = [*command("trl_sft.py", python), work / "prompts.parquet", find_base(BASE).location, *options]
    return work / "model", run_measured(words).values()


def main() -> None:
    """Train, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--python", nargs="*", default=[], metavar="trl=INTERPRETER", help="instead of uv run")
    args = parser.parse_args()
    data = open_data(args.data)
    split = Split.leave_last_out(data)
    untuned = PromptRanking(BASE, max_items=CANDIDATES).fit(split.train)
    prompts = examples(untuned, split.train, PROMPTS)
    python = interpreters(args.python).get("trl")
    folder, cost = fine_tuned(python, prompts, args.minutes, Path("runs/sample-per-target"))
    peer = PromptRanking(str(folder), max_items=CANDIDATES).fit(split.train)
    peer.metadata["cost"] = {"train_seconds": round(cost["train_seconds"], 1), "device": cost["device"]}
    popularity = from_recipe(Recipe.load("popularity")).fit(split.train)
    models: dict[str, Ranker] = {"sample per target": peer, "untuned": untuned, "popularity": popularity}
    models |= {run.name: load(run) for run in args.runs}
    report = evaluate(models, split, protocol="candidates-20", progress=True)
    Console().print(report)
    trained = (
        f"sample per target, by TRL: trained on {BATCH * cost['steps']} of {split.train.events.height} targets."
    )
    report = report.model_copy(update={"notes": (*report.notes, trained)})
    write_result(args.out / f"sample-per-target-{data.name}.json", report=report)


if __name__ == "__main__":
    main()
