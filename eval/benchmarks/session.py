"""A live session against reading the whole history again: what one more event costs, and that answers agree.

python eval/benchmarks/session.py. The default LLM at full depth, histories as text, real histories of ML-100K. The
model is hardly trained: neither cost nor agreement depends on it. Writes session.json.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from eval.common import arguments, open_data, write_result
from llmrec import Dataset, Histories, Recipe, Split
from llmrec.data import Catalog
from llmrec.models import LLMRecommender

HISTORIES = 3
LENGTHS = (50, 200)


def hardly_trained(split: Split, items: list[str]) -> LLMRecommender:
    """Train on a few events of the items in use: neither number changes what is timed."""
    used = pl.col("item_id").is_in(items)
    catalog = Catalog(split.train.catalog.table.filter(used))
    few = Dataset(split.train.events.filter(used).head(60), catalog, "few", order_only=False)
    limits = ["history.max_items=200", "history.max_tokens=4096", "train.epochs=1", "train.title_loss=0"]
    return LLMRecommender(Recipe.load("smollm2-135m-lora", set=[*limits, "train.batch_tokens=2400"])).fit(few)


def timed(model: LLMRecommender, histories: list[list[str]]) -> dict[str, float]:
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
        "share_of_full": float(np.median(appended) / np.median(whole)),
        "histories": len(histories),
        "same_top_10": same,
        "largest_score_difference": max(differences),
    }


def main() -> None:
    """Train a little, then measure at 50 and at 200 items."""
    args = arguments(__doc__).parse_args()
    split = Split.leave_last_out(open_data("ml-100k"))
    every = split.test.histories
    long = np.flatnonzero(every.lengths() >= max(LENGTHS))[:HISTORIES]
    histories = [every[n : n + 1].events["item_id"].to_list() for n in long]
    model = hardly_trained(split, [item for history in histories for item in history[-max(LENGTHS) :]])
    rows = [
        {"items_of_the_history": items, **timed(model, [history[-items:] for history in histories])}
        for items in LENGTHS
    ]
    write_result(args.out / "session.json", {"One more event": rows}, settings={"model": "smollm2-135m"})


if __name__ == "__main__":
    main()
