"""Time training with and without response heads, in turns: python eval/responses_cost.py [--users 150].

MovieLens 100K, the first users, one epoch of `smollm2-135m-soft`; ``told`` predicts and reads ratings, ``heads``
only predicts them, ``plain`` neither. Writes eval/results/responses_cost.json: positions a second of each, and the
ratios of the same turn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

import polars as pl

from llmrec import Recipe
from llmrec.data import fetch
from llmrec.models import LLMRecommender
from llmrec.runtime import machine, versions

WAYS = {"plain": [], "heads": ["tasks=[rating]"], "told": ["tasks=[rating]", "history.events=[rating,gap]"]}


def main() -> None:
    """Train, time, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=150)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    data = fetch("ml-100k")
    users = data.events["user_id"].unique(maintain_order=True)[: given.users]
    part = data.with_events(data.events.filter(pl.col("user_id").is_in(users.implode())))
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(given.pairs):
        for way, changes in WAYS.items():
            recipe = Recipe.load("smollm2-135m-soft", set=["train.epochs=1", *changes])
            cost = LLMRecommender(recipe).fit(part).facts["cost"]
            speeds[way].append(cost["tokens_per_second"])
            print(way, cost, flush=True)
    ratios = {
        way: [round(plain / own, 3) for plain, own in zip(speeds["plain"], speeds[way], strict=True)]
        for way in ("heads", "told")
    }
    found = {
        "events": part.events.height,
        "positions_per_second": speeds,
        "times_as_long": ratios,
        "median_times_as_long": {way: median(values) for way, values in ratios.items()},
        "machine": machine(),
        "versions": versions(),
    }
    Path("eval/results/responses_cost.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["median_times_as_long"]))


if __name__ == "__main__":
    main()
