"""Try a recipe with other fields, at random from its search space, and evaluate every trial on validation only.

python eval/experiments/tune.py RECIPE [--data DIR] [--trials N] [--set field=value ...]. Trial 0 is the recipe as
it is. Finished trials stand in tune/DATA-RECIPE.json; a recipe with the same values is not tried again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from eval.common import ROOT, arguments, open_data, read_result, write_result
from llmrec import Recipe, Split, evaluate
from llmrec.models import from_recipe


def changes_of(space: Path, trials: int, seed: int) -> list[list[str]]:
    """Draw each trial's changes; the same seed draws the same, however many trials there are."""
    fields = yaml.safe_load(space.read_text(encoding="utf-8"))
    draw = np.random.default_rng(seed)
    drawn = [[f"{name}={draw.choice(values)}" for name, values in fields.items()] for _ in range(1, trials)]
    return [[], *drawn]


def identity(recipe: Recipe) -> str:
    """Name a recipe by all of its values that are not the defaults."""
    values = recipe.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def trial(recipe: Recipe, split: Split, work: Path) -> dict[str, object]:
    """Train once. Returns the best epoch and NDCG@10 over all validation users."""
    began = time.perf_counter()
    model = from_recipe(recipe).fit(split.train, valid=split.valid, work_dir=work, progress=True)
    epochs = max(model.train_log, key=lambda row: row["valid_ndcg@10"])["epoch"] if model.train_log else 0
    table = evaluate({"model": model}, split, fold="valid").table
    seconds = round(time.perf_counter() - began, 1)
    if work.exists():  # it stays until here, so that a trial that is cut off goes on where it was
        shutil.rmtree(work)
    return {"valid_ndcg@10": float(table["ndcg@10"][0]), "best_epoch": epochs, "seconds": seconds}


def best(recipe: str, trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up the trials of a recipe."""
    column = "valid_ndcg@10"
    first, highest = trials[0], max(trials, key=lambda row: float(row[column]))
    means = {f"{column}_of_the_first": first[column], f"{column}_of_the_best": highest[column]}
    return {"recipe": recipe, "trials": len(trials), **means, "changes": highest["changes"]}


def main() -> None:
    """Run what is missing, print the best."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("recipe")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    data = open_data(args.data)
    split = Split.leave_last_out(data)
    path = args.out / "tune" / f"{data.name}-{args.recipe}.json"
    trials = read_result(path)["details"]["trials"] if path.is_file() else []
    space = ROOT / "finetune" / "search" / f"{args.recipe}.yaml"
    for number, drawn in enumerate(changes_of(space, args.trials, seed=0)):
        changes = [*drawn, *args.set]
        recipe = Recipe.load(args.recipe, set=changes)
        known = identity(recipe)
        if any(row.get("recipe") == known and row["split"] == split.hash for row in trials):
            continue
        result = trial(recipe, split, Path(f"runs/tune/{data.name}-{args.recipe}-{known}"))
        trials.append({"trial": number, "changes": changes, **result, "recipe": known, "split": split.hash})
        print(trials[-1], flush=True)
        sections = {"The best of the trials": [best(args.recipe, trials)]}
        write_result(path, sections, settings={"data": data.name}, details={"trials": trials})
    print("best:", best(args.recipe, trials))


if __name__ == "__main__":
    main()
