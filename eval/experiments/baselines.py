"""Train recipes on one data set and evaluate them together.

python eval/experiments/baselines.py NAME RECIPE... [--stack MODEL...] ... [--fuse ONE OTHER] ... [--data DIR]
[--users SHARE]. Runs are kept in runs/baselines/DATA/ and continued; a RECIPE may be the folder of a finished run.
A stack weighs several of them on validation answers, a fusion mixes two, its weight chosen there, too. The first
model, a stack or fusion where there is one, is compared with each other one. Writes NAME-DATA.json.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eval.common import arguments, open_data, write_result
from llmrec import Recipe, Split, evaluate, fit, load
from llmrec.models import Fusion, Recommender, StackedRecommender


def main() -> None:
    """Fit, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("name")
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--fuse", nargs=2, action="append", default=[], metavar=("ONE", "OTHER"))
    parser.add_argument("--stack", nargs="+", action="append", default=[], metavar="MODEL")
    parser.add_argument("--users", type=float, default=1.0, help="a share of the users, the same ones every time")
    args = parser.parse_args()
    data = open_data(args.data, users=args.users)
    split = Split.leave_last_out(data)
    models: dict[str, Recommender] = {}
    for name in args.recipes:
        run = Path(name)
        new = Path("runs/baselines") / data.name / name
        models[run.name] = load(run) if run.is_dir() else fit(Recipe.load(name), data, split, new, resume=True)
    if unknown := {name for names in args.stack + args.fuse for name in names} - models.keys():
        parser.error(f"no model {', '.join(sorted(unknown))}; there are {', '.join(models)}")
    fused = {f"{one} + {other}": Fusion.tuned(models[one], models[other], split.valid) for one, other in args.fuse}
    stacked = {" + ".join(names): StackedRecommender.of([models[n] for n in names], split) for names in args.stack}
    report = evaluate({**stacked, **fused, **models}, split, progress=True)
    Console().print(report)
    write_result(args.out / f"{args.name}-{data.name}.json", report=report)


if __name__ == "__main__":
    main()
