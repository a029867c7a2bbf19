"""Train recipes on one data set and evaluate them together.

python eval/experiments/baselines.py NAME RECIPE... [--fuse ONE OTHER] ... [--data DIR] [--users SHARE]. Runs are
kept in runs/baselines/DATA/ and continued; a RECIPE may be the folder of a finished run. A fusion mixes two of
them, its weight chosen on validation. The first model, a fusion where there is one, is compared with each other
one. Writes NAME-DATA.json.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eval.common import arguments, open_data, write_result
from llmrec import Recipe, Split, evaluate, fit, load
from llmrec.models import Fusion, Recommender


def main() -> None:
    """Fit, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("name")
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--fuse", nargs=2, action="append", default=[], metavar=("ONE", "OTHER"))
    parser.add_argument("--users", type=float, default=1.0, help="a share of the users, the same ones every time")
    args = parser.parse_args()
    data = open_data(args.data, users=args.users)
    split = Split.leave_last_out(data)
    models: dict[str, Recommender] = {}
    for name in args.recipes:
        run = Path(name)
        new = Path("runs/baselines") / data.name / name
        models[run.name] = load(run) if run.is_dir() else fit(Recipe.load(name), data, split, new, resume=True)
    if unknown := {name for pair in args.fuse for name in pair} - models.keys():
        parser.error(f"--fuse: no model {', '.join(sorted(unknown))}; there are {', '.join(models)}")
    fused = {f"{one} + {other}": Fusion.tuned(models[one], models[other], split.valid) for one, other in args.fuse}
    report = evaluate({**fused, **models}, split, progress=True)
    Console().print(report)
    write_result(args.out / f"{args.name}-{data.name}.json", report=report)


if __name__ == "__main__":
    main()
