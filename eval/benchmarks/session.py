"""A live session against reading the whole history again: what one more event costs, and that answers agree.

python eval/benchmarks/session.py [--out eval/results/session.json]. The default LLM at full depth, histories as
text, real
histories of ML-100K. The model is hardly trained: neither cost nor agreement depends on it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import polars as pl

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.data import Catalog, fetch
from llmrec.models import LLMRecommender
from llmrec.runtime import machine, versions

ROUNDS = 3


def main() -> None:
    """Train a little, then measure at 50 and at 200 items."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("eval/results/session.json"))
    out = parser.parse_args().out
    split = Split.leave_last_out(fetch("ml-100k"))
    every = split.test.histories
    rows = np.flatnonzero(every.lengths() >= 200)[:ROUNDS]
    long = [every[n : n + 1].events["item_id"].to_list() for n in rows]
    # Only the items in use, and hardly any training: neither changes what is timed.
    used = pl.col("item_id").is_in([item for history in long for item in history[-200:]])
    events = split.train.events.filter(used).head(60)
    few = Dataset(events, Catalog(split.train.catalog.table.filter(used)), "few", order_only=False)
    limits = ["history.max_items=200", "history.max_tokens=4096", "train.epochs=1", "train.title_loss=0"]
    model = LLMRecommender(Recipe.load("smollm2-135m-lora", set=[*limits, "train.batch_tokens=2400"])).fit(few)
    found = {str(items): measured(model, [history[-items:] for history in long]) for items in (50, 200)}
    metadata = {"results": found, "model": "smollm2-135m", "machine": machine(), "versions": versions()}
    out.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def measured(model: LLMRecommender, histories: list[list[str]]) -> dict[str, float]:
    """Time, per history, appending its last item and recommending; and one pass over all of it."""
    appended, whole, differences, same = [], [], [], 0
    for history in histories:
        session = model.session(history[:-1])
        began = time.perf_counter()
        session.append(history[-1])
        ours = session.recommend(10)
        appended.append(time.perf_counter() - began)
        began = time.perf_counter()
        theirs = model.recommend(Histories.of([history]), 10)
        whole.append(time.perf_counter() - began)
        differences.append(float(np.abs(ours["score"].to_numpy() - theirs["score"].to_numpy()).max()))
        same += ours["item_id"].to_list() == theirs["item_id"].to_list()
    return {
        "append_ms": 1000 * float(np.median(appended)),
        "full_ms": 1000 * float(np.median(whole)),
        "share": float(np.median(appended) / np.median(whole)),
        "histories": len(histories),
        "same_top_10": same,
        "largest_score_difference": max(differences),
    }


if __name__ == "__main__":
    main()
