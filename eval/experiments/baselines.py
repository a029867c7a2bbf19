"""Train recipes on one data set and judge them together.

python eval/experiments/baselines.py NAME RECIPE... [--fuse ONE OTHER] ... [--data ml-100k]. Runs are kept in
runs/baselines/DATA/ and continued; a RECIPE may be the folder of a finished run instead. A fusion mixes two of
them, its weight chosen on validation. The table is written to eval/results/NAME-DATA.json; the others are
compared with the first model, a fusion where there is one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from llmrec import Dataset, Recipe, Split, evaluate
from llmrec.data import BUILTIN, fetch
from llmrec.models import Fusion, Recommender, load
from llmrec.models.runs import fit_run


def main() -> None:
    """Fit, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--fuse", nargs=2, action="append", default=[], metavar=("ONE", "OTHER"))
    parser.add_argument("--data", default="ml-100k")
    asked = parser.parse_args()
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.leave_last_out(data)
    place = Path("runs/baselines") / data.name
    models: dict[str, Recommender] = {}
    for name in asked.recipes:
        run = Path(name)
        models[run.name] = (
            load(run) if run.is_dir() else fit_run(Recipe.load(name), data, split, place / name, resume=True)
        )
    if unknown := {name for pair in asked.fuse for name in pair} - models.keys():
        parser.error(f"--fuse: no model {', '.join(sorted(unknown))}; there are {', '.join(models)}")
    fused = {
        f"{one} + {other}": Fusion.tuned(models[one], models[other], split.valid) for one, other in asked.fuse
    }
    models = {**fused, **models}
    report = evaluate(models, split, progress=True)
    Console().print(report)
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    Path(f"eval/results/{asked.name}-{data.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
