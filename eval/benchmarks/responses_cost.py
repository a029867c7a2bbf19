"""What response heads cost, in training and in the next item.

python eval/benchmarks/responses_cost.py [--users 150] [--pairs 3] [--seeds 3]
MovieLens 100K, `smollm2-135m-events`: ``heads`` predicts ratings, ``plain`` does not, neither reads them; ``heads
and fields`` does both. Time: the first users, one epoch, in turns. Accuracy: all, leave-last-out, trained to the
end and kept in runs/responses_cost/; plain and heads are compared by each user's mean over seeds. Writes
responses_cost.json.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import polars as pl

from eval.common import Row, arguments, open_data, write_result
from llmrec import Dataset, Recipe, Split, evaluate, fit
from llmrec.models import LLMRecommender, Recommender

RECIPE = "smollm2-135m-events"
VARIANTS = {
    "plain": [],
    "heads": ["tasks=[rating]"],
    "heads and fields": ["tasks=[rating]", "history.events=[rating,gap]"],
}


def timed(data: Dataset, pairs: int) -> list[Row]:
    """Train an epoch of each variant, in turns."""
    speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(pairs):
        for variant, changes in VARIANTS.items():
            recipe = Recipe.load(RECIPE, set=["train.epochs=1", *changes])
            speeds[variant].append(LLMRecommender(recipe).fit(data).metadata["cost"]["tokens_per_second"])
        print({variant: values[-1] for variant, values in speeds.items()}, flush=True)
    rows: list[Row] = []
    for variant, values in speeds.items():
        ratios = [round(plain / value, 3) for plain, value in zip(speeds["plain"], values, strict=True)]
        row = {"model": variant, "positions_per_second": values}
        compared: Row = {"times_as_long": ratios, "median_times_as_long": median(ratios)}
        rows.append(row if variant == "plain" else {**row, **compared})
    return rows


def trained(data: Dataset, split: Split, variant: str, seed: int) -> Recommender:
    """Train to the end, or load the finished run."""
    recipe = Recipe.load(RECIPE, set=[f"name={variant}", f"seed={seed}", *VARIANTS[variant]])
    return fit(recipe, data, split, Path("runs/responses_cost") / f"{variant}-{seed}", resume=True)


def main() -> None:
    """Train, time, evaluate, write."""
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, default=150, help="of those timed")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    data = open_data("ml-100k")
    first = data.events["user_id"].unique(maintain_order=True)[: args.users]
    part = data.with_events(data.events.filter(pl.col("user_id").is_in(first.implode())))
    sections = {"Training speed of each round": timed(part, args.pairs)}
    split = Split.leave_last_out(data)
    models = {
        f"{variant}, seed {seed}": trained(data, split, variant, seed)
        for variant in ("heads", "plain")
        for seed in range(args.seeds)
    }
    report = evaluate(models, split, progress=True)
    settings = {"events timed": part.events.height}
    write_result(args.out / "responses_cost.json", sections, settings=settings, report=report)


if __name__ == "__main__":
    main()
