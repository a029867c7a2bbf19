"""Try a recipe with other fields, at random from its search space, and judge every trial on validation only.

python eval/experiments/tune.py RECIPE [--data DIR | ml-100k] [--trials N] [--set field=value ...]. Trial 0 is the
recipe as
it is. Each finished trial is a line of eval/results/tune/DATA-RECIPE.jsonl; a recipe with the same values is
not tried again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np
import yaml

from llmrec import Dataset, Recipe, Split, evaluate
from llmrec.data import BUILTIN, fetch
from llmrec.models import from_recipe


def choices(space: Path, trials: int, seed: int) -> list[list[str]]:
    """Draw each trial's changes; the same seed draws the same, however many trials are asked for."""
    fields = yaml.safe_load(space.read_text(encoding="utf-8"))
    draw = np.random.default_rng(seed)
    drawn = [[f"{name}={draw.choice(values)}" for name, values in fields.items()] for _ in range(1, trials)]
    return [[], *drawn]


def identity(recipe: Recipe) -> str:
    """Name a recipe by all of its values that are not the defaults."""
    values = recipe.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def trial(recipe: Recipe, split: Split, work: Path) -> dict[str, object]:
    """Train once. Returns the best epoch and what all validation users say of it."""
    began = time.perf_counter()
    model = from_recipe(recipe).fit(split.train, valid=split.valid, work_dir=work, progress=True)
    epochs = max(model.train_log, key=lambda row: row["valid_ndcg@10"])["epoch"] if model.train_log else 0
    table = evaluate({"model": model}, split, fold="valid").table
    seconds = round(time.perf_counter() - began, 1)
    if work.exists():  # kept until here, so that a trial that is cut off goes on where it was
        shutil.rmtree(work)
    return {"valid_ndcg@10": float(table["ndcg@10"][0]), "best_epoch": epochs, "seconds": seconds}


def main() -> None:
    """Run what is missing, print the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--set", nargs="*", default=[])
    asked = parser.parse_args()
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.leave_last_out(data)
    out = Path(f"eval/results/tune/{data.name}-{asked.recipe}.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []
    for number, changes in enumerate(choices(Path(f"finetune/search/{asked.recipe}.yaml"), asked.trials, seed=0)):
        changes = [*changes, *asked.set]
        recipe = Recipe.load(asked.recipe, set=changes)
        known = identity(recipe)
        if any(row.get("recipe") == known and row["split"] == split.hash for row in done):
            continue
        found = trial(recipe, split, Path(f"runs/tune/{data.name}-{asked.recipe}-{known}"))
        done.append({"trial": number, "changes": changes, **found, "recipe": known, "split": split.hash})
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(done[-1], flush=True)
    print("best:", max(done, key=lambda row: float(row["valid_ndcg@10"])))


if __name__ == "__main__":
    main()
