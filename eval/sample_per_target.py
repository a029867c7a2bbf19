"""Tune an LLM on one prompt a target, the usual way, and judge it beside models that learned otherwise.

python eval/sample_per_target.py [--data DIR | ml-100k] [--minutes 10] [--rows N] [--peer-python PYTHON] [RUN ...]

TRL's SFTTrainer, in an environment of its own (eval/peers/trl_sft.py), fine-tunes the base model on as many
prompts as the minutes allow: a history, twenty candidates, the letter of the right one (after TALLRec, Bao et al.
2023, and LLaRA, Liao et al. 2024), out of the training events alone, candidates drawn as candidates-20 draws
them. Then all answer the same questions of candidates-20: the base model untuned, tuned so, popularity, and the
finished RUNs. Writes eval/results/sample-per-target-DATA.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console

from llmrec import Dataset, Histories, Recipe, Split, evaluate
from llmrec.data import BUILTIN, Fold, Sequences, fetch
from llmrec.evaluation import Protocol
from llmrec.evaluation.questions import questions
from llmrec.llm.ask import LETTERS
from llmrec.llm.weights import find_base
from llmrec.models import PromptRanking, Recommender, from_recipe, load

BASE = "smollm2-135m"
SHOWN = 20  # of a history, and as many candidates
PROMPTS = 5000  # more than the minutes allow on a CPU


def lessons(model: PromptRanking, split: Split, rules: Protocol) -> pl.DataFrame:
    """Draw training events at random, each a question of its own. Returns prompt and completion, as messages."""
    events = split.train.events
    histories = Histories.from_events(events)
    ids, offsets = histories.events["item_id"], histories.offsets
    owners = np.repeat(np.arange(len(histories)), histories.lengths())
    at = np.flatnonzero(np.arange(len(owners)) - offsets[owners] > 0)
    at = np.random.default_rng(0).permutation(at)[:PROMPTS]
    asked = Histories.of({str(n): ids[int(offsets[owners[n]]) : int(n)].to_list() for n in at})
    fold = Fold(asked, pl.DataFrame({"user_id": [str(n) for n in at], "item_id": ids.gather(at)}))
    drawn = questions(split, fold, rules.model_copy(update={"rows": None}), skip=model.exclude_seen)
    assert drawn.candidates is not None
    catalog, rows = split.train.catalog, []
    sequences = Sequences.encode(drawn.fold.histories, catalog)
    for row, (name, right) in enumerate(drawn.fold.answers.iter_rows()):
        codes = catalog.codes(pl.Series(drawn.candidates[name])).astype(np.int64)
        letter = LETTERS[[catalog.ids[code] for code in codes[model.shown(codes)]].index(right)]
        question = model.question(sequences[row], codes)
        rows.append({"prompt": model.asked.messages(question),
                     "completion": [{"role": "assistant", "content": letter}]})  # fmt: skip
    return pl.DataFrame(rows)


def tuned(python: str | None, prompts: pl.DataFrame, minutes: float, work: Path) -> tuple[Path, dict[str, float]]:
    """Train by TRL. Returns the folder of the model, and targets and seconds of its training."""
    out = work / "model"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    prompts.write_parquet(work / "prompts.parquet")
    script = Path(__file__).parent / "peers" / "trl_sft.py"
    words = [script, work / "prompts.parquet", find_base(BASE).location, "--minutes", minutes, "--batch", 8,
             "--bf16", "--out", out]  # fmt: skip
    began = time.perf_counter()
    start = [python] if python else [shutil.which("uv") or "uv", "run"]
    done = subprocess.run([*start, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return out, {**found, "whole_seconds": time.perf_counter() - began}


def main() -> None:
    """Train, ask all, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--peer-python", help="instead of uv run")
    asked = parser.parse_args()
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.leave_last_out(data)
    rules = Protocol.load("candidates-20").model_copy(update={"rows": asked.rows})
    models: dict[str, Recommender] = {"untuned": PromptRanking(BASE, max_items=SHOWN).fit(split.train)}
    prompts = lessons(models["untuned"], split, rules)  # type: ignore[arg-type]
    place, cost = tuned(asked.peer_python, prompts, asked.minutes, Path("runs/sample-per-target"))
    tuned_model = PromptRanking(str(place), max_items=SHOWN).fit(split.train)
    tuned_model.facts["cost"] = {"train_seconds": round(cost["seconds"], 1), "device": "cpu"}
    models |= {
        "sample per target": tuned_model,
        "popularity": from_recipe(Recipe.load("popularity")).fit(split.train),
    }
    models |= {run.name: load(run) for run in asked.runs}
    report = evaluate(models, split, protocol=rules, progress=True)
    Console().print(report)
    text = json.dumps({**report.to_dict(), "trl": cost}, indent=1, ensure_ascii=False)
    Path(f"eval/results/sample-per-target-{data.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
