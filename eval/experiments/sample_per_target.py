"""Tune an LLM on one prompt a target, the usual way, and judge it beside models that learned otherwise.

python eval/experiments/sample_per_target.py [RUN ...] [--data DIR | ml-100k] [--minutes 10] [--python
trl=INTERPRETER]

TRL's SFTTrainer, in an environment of its own (eval/peers/trl_sft.py), fine-tunes the base model for the minutes,
or on PROMPTS prompts: a history, twenty candidates, the letter of the right one (after TALLRec, Bao et al. 2023,
and LLaRA, Liao et al. 2024). All of it is from the training events; the wrong candidates are drawn by popularity
among what the person never chose there. Then it, the base model untuned, popularity and the finished RUNs
answer the same questions of candidates-20. Writes eval/results/sample-per-target-DATA.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console

from eval.experiments.peers import interpreters
from llmrec import Dataset, Recipe, Split, evaluate
from llmrec.data import BUILTIN, Sequences, fetch
from llmrec.evaluation import EvaluationProtocol
from llmrec.llm.candidate_scoring import LETTERS
from llmrec.llm.weights import find_base
from llmrec.models import PromptRanking, Recommender, from_recipe, load
from llmrec.runtime import resolve_dtype

BASE = "smollm2-135m"
CANDIDATES = 20  # and as many items of a history
PROMPTS = 5000
BATCH = 8


def lessons(model: PromptRanking, train: Dataset, number: int) -> pl.DataFrame:
    """Draw training events at random, each a question of its own. Returns prompt and completion, as messages."""
    sequences, draw = Sequences.encode(train.histories, train.catalog), np.random.default_rng(0)
    owners, codes = sequences.users(), sequences.codes.astype(np.int64)
    counts, rows = np.bincount(codes, minlength=len(train.catalog)), []
    asked = np.flatnonzero(np.arange(len(codes)) > sequences.offsets[owners])  # a history has an item at least
    for at in draw.permutation(asked)[:number]:
        chances = counts.astype(np.float64)
        chances[sequences[owners[at]]] = 0
        others = draw.choice(len(counts), CANDIDATES - 1, replace=False, p=chances / chances.sum())
        given = np.append(others, codes[at])
        messages, shown = model.prompt(codes[sequences.offsets[owners[at]] : at], given)
        letter = LETTERS[given[shown].tolist().index(codes[at])]
        rows.append({"prompt": messages, "completion": [{"role": "assistant", "content": letter}]})
    return pl.DataFrame(rows)


def tuned(start: list[str], prompts: pl.DataFrame, minutes: float, work: Path) -> tuple[Path, dict[str, Any]]:
    """Train by TRL. Returns the folder of the model, and what its training took."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    prompts.write_parquet(work / "prompts.parquet")
    script = Path(__file__).resolve().parents[1] / "peers" / "trl_sft.py"
    words = [script, work / "prompts.parquet", find_base(BASE).location, "--minutes", minutes, "--batch", BATCH]
    words += ["--bf16"] if resolve_dtype("auto") == "bfloat16" else []
    command = [*start, *map(str, [*words, "--out", work / "model"])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return work / "model", json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Train, ask all, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--python", nargs="*", default=[], metavar="trl=INTERPRETER", help="instead of uv run")
    asked = parser.parse_args()
    given = interpreters(asked.python).get("trl")
    start = [given] if given else [shutil.which("uv") or "uv", "run"]
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.leave_last_out(data)
    untuned = PromptRanking(BASE, max_items=CANDIDATES)
    untuned.fit(split.train)
    prompts = lessons(untuned, split.train, PROMPTS)
    place, cost = tuned(start, prompts, asked.minutes, Path("runs/sample-per-target"))
    peer = PromptRanking(str(place), max_items=CANDIDATES).fit(split.train)
    peer.metadata["cost"] = {"train_seconds": round(cost["train_seconds"], 1), "device": cost["device"]}
    popularity = from_recipe(Recipe.load("popularity")).fit(split.train)
    models: dict[str, Recommender] = {"sample per target": peer, "untuned": untuned, "popularity": popularity}
    models |= {run.name: load(run) for run in asked.runs}
    report = evaluate(models, split, protocol=EvaluationProtocol.load("candidates-20"), progress=True)
    Console().print(report)
    learned = f"sample per target, by TRL: {BATCH * cost['steps']} targets of {split.train.events.height} learned."
    report = report.model_copy(update={"notes": (*report.notes, learned)})
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    Path(f"eval/results/sample-per-target-{data.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
