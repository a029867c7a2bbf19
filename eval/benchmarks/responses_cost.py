"""What response heads cost, in training and in the next item: python eval/benchmarks/responses_cost.py [--seeds
3].

MovieLens 100K, `smollm2-135m-events`: ``heads`` predicts ratings, ``plain`` does not, neither reads them; ``told``
does both. Time: the first users, one epoch, in turns. Accuracy: all, leave-last-out, trained to the end and kept
in runs/responses_cost/; NDCG@10 of each user, mean over seeds, by a paired test. Writes
eval/results/responses_cost.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

import polars as pl

from eval.experiments.accuracy import averaged, judged
from llmrec import Dataset, Recipe, Split
from llmrec.data import fetch
from llmrec.evaluation.significance import bootstrap, paired_p_value
from llmrec.models import LLMRecommender
from llmrec.models.runs import fit_run
from llmrec.runtime import machine, versions

RECIPE = "smollm2-135m-events"
NAMED_SPLITS = {
    "plain": [],
    "heads": ["tasks=[rating]"],
    "told": ["tasks=[rating]", "history.events=[rating,gap]"],
}


def timed(data: Dataset, users: int, pairs: int) -> dict[str, object]:
    """Train an epoch each way, in turns."""
    some = data.events["user_id"].unique(maintain_order=True)[:users]
    part = data.with_events(data.events.filter(pl.col("user_id").is_in(some.implode())))
    speeds: dict[str, list[float]] = {way: [] for way in NAMED_SPLITS}
    for _ in range(pairs):
        for way, changes in NAMED_SPLITS.items():
            recipe = Recipe.load(RECIPE, set=["train.epochs=1", *changes])
            speeds[way].append(LLMRecommender(recipe).fit(part).metadata["cost"]["tokens_per_second"])
        print({way: found[-1] for way, found in speeds.items()}, flush=True)
    ratios = {
        way: [round(plain / own, 3) for plain, own in zip(speeds["plain"], speeds[way], strict=True)]
        for way in ("heads", "told")
    }
    return {
        "events": part.events.height,
        "positions_per_second": speeds,
        "times_as_long": ratios,
        "median_times_as_long": {way: median(values) for way, values in ratios.items()},
    }


def ranked(data: Dataset, seeds: int) -> dict[str, object]:
    """Train to the end with and without heads and rank the next item."""
    split, tables = Split.leave_last_out(data), {}
    for way in ("plain", "heads"):
        found, changes = [], NAMED_SPLITS[way]
        for seed in range(seeds):
            recipe = Recipe.load(RECIPE, set=[f"seed={seed}", *changes])
            model = fit_run(recipe, data, split, Path("runs/responses_cost") / f"{way}-{seed}", resume=True)
            found.append(judged(model, split, split.test.histories))
            print(way, seed, found[-1]["ndcg@10"].mean(), flush=True)
        tables[way] = averaged(found)["ndcg@10"].to_numpy()
    plain = tables["plain"]
    return {
        "seeds": seeds,
        "ndcg@10": {way: bootstrap(values).model_dump() for way, values in tables.items()},
        "share_of_plain": round(float(tables["heads"].mean() / plain.mean()), 4),
        "p_value": paired_p_value(tables["heads"], plain),
    }


def main() -> None:
    """Train, time, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=150)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    data = fetch("ml-100k")
    found = {"recipe": Recipe.load(RECIPE).model_dump(mode="json"), "time": timed(data, given.users, given.pairs)}
    found |= {"next_item": ranked(data, given.seeds), "machine": machine(), "versions": versions()}
    Path("eval/results/responses_cost.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
