"""Train recipes on several seeds and evaluate them, on histories in order and shuffled, and two of them fused.

python eval/experiments/accuracy.py [RECIPE ...] [--data DIR] [--users SHARE] [--seeds N] [--set RECIPE:KEY=VALUE]
The first recipe is compared with each other one and with the fusion of the first two, whose weight is chosen on
validation: by each user's mean over seeds. Finished runs in runs/accuracy/ are loaded. Writes accuracy-DATA.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from eval.common import Row, arguments, open_data, write_result
from llmrec import Dataset, Histories, Recipe, Split, evaluate, fit
from llmrec.metrics import per_user
from llmrec.models import Fusion, Ranker, Recommender


def shuffled(histories: Histories, seed: int) -> Histories:
    """Put the events of every history in random order."""
    draw = np.random.default_rng(seed)
    ids = histories.events["item_id"]
    bounds = zip(histories.user_ids, histories.offsets, histories.offsets[1:], strict=False)
    return Histories.of({user: ids.gather(a + draw.permutation(b - a)).to_list() for user, a, b in bounds})


def without_order(recipe: str, models: list[Recommender], split: Split) -> dict[str, object]:
    """A recipe's metrics on shuffled histories, averaged over users and seeds."""
    columns, users = ("ndcg@10", "recall@10"), list(split.test.histories.user_ids)
    tables = [
        per_user(model.recommend(shuffled(split.test.histories, seed), 10), split.test.answers, users=users, k=10)
        for seed, model in enumerate(models)
    ]
    means = {column: float(np.mean([table[column].to_numpy() for table in tables])) for column in columns}
    return {"recipe": recipe, **means}


def trained(recipe: str, data: Dataset, split: Split, *, seed: int, changes: list[str]) -> Recommender:
    """Train a recipe with a seed, or load the finished run. ``changes`` are RECIPE:KEY=VALUE."""
    fields = [change.removeprefix(f"{recipe}:") for change in changes if change.startswith(f"{recipe}:")]
    run = Path("runs/accuracy") / f"{data.name}-{recipe}-{seed}"
    return fit(Recipe.load(recipe, set=[f"seed={seed}", *fields]), data, split, run, resume=True)


def main() -> None:
    """Train, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("recipes", nargs="*", default=["smollm2-135m-soft", "sasrec"])
    parser.add_argument("--users", type=float, default=1.0, help="a share of them")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="RECIPE:KEY=VALUE")
    args = parser.parse_args()
    data = open_data(args.data, users=args.users)
    split = Split.leave_last_out(data)
    runs = {
        recipe: [trained(recipe, data, split, seed=seed, changes=args.set) for seed in range(args.seeds)]
        for recipe in args.recipes
    }
    models: dict[str, Ranker] = {
        f"{recipe}, seed {seed}": run for recipe in runs for seed, run in enumerate(runs[recipe])
    }
    sections: dict[str, Sequence[Row]] = {
        "On shuffled histories": [without_order(recipe, runs[recipe], split) for recipe in runs]
    }
    if len(runs) > 1:
        pairs = zip(*list(runs.values())[:2], strict=True)
        fused = [Fusion.tuned(one, other, split.valid) for one, other in pairs]
        models |= {f"fusion, seed {seed}": fusion for seed, fusion in enumerate(fused)}
        weights = [{"seed": seed, "weight": fusion.weight} for seed, fusion in enumerate(fused)]
        sections["Weight of the second recipe in the fusion"] = weights
    report = evaluate(models, split, progress=True)
    Console().print(report)
    write_result(args.out / f"accuracy-{data.name}.json", sections, report=report)


if __name__ == "__main__":
    main()
