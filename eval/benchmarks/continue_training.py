"""Go on from a run when its log has grown by the newest events, beside training on all of them from scratch.

python eval/benchmarks/continue_training.py RECIPE [--data DIR] [--users SHARE] [--newest 0.1] [--seed N]
[--set FIELD=VALUE] [--change FIELD=VALUE]. The run is fitted on all but the newest share of the events; ``--set``
is of all trainings, ``--change`` of the recipe where training goes on, which by itself is how `llmrec fit
--continue` does. Judged on the last event of each user, which none of them has seen, and on the one before. Runs
lie in runs/continued/. Writes continued-RECIPE-DATA.json, with -seed-N of another seed than 0.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from eval.common import arguments, open_data, write_result
from llmrec import Dataset, Recipe, Split, fit
from llmrec.evaluation.continued import continued_table
from llmrec.models import Recommender
from llmrec.models.fit_network import ndcg_on


def without_newest(data: Dataset, share: float) -> Dataset:
    """Return the log as it was before its newest events, with the items that it had then."""
    bound = data.events["timestamp"].quantile(1 - share, interpolation="lower")
    events = data.events.filter(pl.col("timestamp") <= bound)
    items = data.catalog.table.filter(pl.col("item_id").is_in(events["item_id"].unique().implode()))
    earlier = Dataset.from_tables(events, items=items, name=f"{data.name}-before")
    return replace(earlier, positive=data.positive)


def tokens_of(model: Recommender) -> int:
    """Return how many events a training read: what it cost, whatever else the machine did."""
    return int(sum(row["tokens"] for row in model.train_log))


def main() -> None:
    """Fit before, go on, fit anew, compare."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("recipe")
    parser.add_argument("--users", type=float, default=1.0, help="a share of the users, the same ones every time")
    parser.add_argument("--newest", type=float, default=0.1, help="the share of the events that come later")
    parser.add_argument("--seed", type=int, default=0, help="of all trainings (0)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of all trainings")
    parser.add_argument("--change", action="append", default=[], metavar="FIELD=VALUE", help="going on")
    args = parser.parse_args()
    data = open_data(args.data, users=args.users)
    earlier, split = without_newest(data, args.newest), Split.leave_last_out(data)
    common, numbered = [f"seed={args.seed}", *args.set], f"-seed-{args.seed}" if args.seed else ""
    runs = Path("runs/continued") / f"{data.name}-{args.newest:g}" / "-".join([args.recipe, *args.set])
    recipe, runs = Recipe.load(args.recipe, set=common), runs.with_name(runs.name + numbered)
    changed = Recipe.load(args.recipe, set=[*common, *args.change])
    before = fit(recipe, earlier, Split.leave_last_out(earlier), runs / "before", resume=True)
    name = "-".join(["continued", *(one.replace("=", "-") for one in args.change)])
    continued = fit(changed, data, split, runs / name, resume=True, continue_from=runs / "before")
    anew = fit(recipe, data, split, runs / "anew", resume=True)
    table = continued_table(continued, before, split, anew=anew)
    models = {"continued": continued, "before": before, "anew": anew}
    rows = [row | {"valid_ndcg@10": ndcg_on(models[row["model"]], split.valid)} for row in table.to_dicts()]
    seconds, ndcg = table["train_seconds"], table["ndcg@10"]
    ratio = {
        "ndcg_of_anew": round(ndcg[0] / max(ndcg[2], 1e-9), 4),
        "valid_ndcg_of_anew": round(rows[0]["valid_ndcg@10"] / max(rows[2]["valid_ndcg@10"], 1e-9), 4),
        "seconds_of_anew": round(seconds[0] / max(seconds[2], 0.01), 4),
        "tokens_of_anew": round(tokens_of(continued) / max(tokens_of(anew), 1), 4),
        "new_events": data.events.height - earlier.events.height,
        "new_users": data.n_users - earlier.n_users,
        "new_items": len(data.catalog) - len(earlier.catalog),
    }
    sections = {"On each user's last event": rows, "Going on, as a share of training anew": [ratio]}
    print(rows, ratio)
    out = args.out / f"continued-{args.recipe}-{data.name}{numbered}.json"
    epochs = {f"epochs, {name}": model.train_log[-1]["epoch"] for name, model in models.items() if model.train_log}
    write_result(out, sections, settings={"set": args.set, "change": args.change, "seed": args.seed} | epochs)


if __name__ == "__main__":
    main()
