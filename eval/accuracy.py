"""Train recipes on several seeds and compare them on the test users, in order and with shuffled histories.

python eval/accuracy.py [RECIPE ...] [--data DIR | ml-100k] [--users SHARE] [--seeds N]: the first recipe is
compared with each of the others by a paired test over users, of each user's mean over seeds. Finished runs under
runs/ are not trained again. Writes eval/results/accuracy-DATA.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.data import BUILTIN, fetch
from llmrec.evaluation.significance import bootstrap, paired_p_value
from llmrec.metrics import per_user
from llmrec.models import Recommender
from llmrec.models.runs import fit_run
from llmrec.runtime import machine, versions

METRICS = ("recall@10", "ndcg@10")


def sample(data: Dataset, share: float) -> Dataset:
    """Keep the events of a share of the users, the same ones every time."""
    chosen = data.events["user_id"].unique(maintain_order=True).sample(fraction=share, seed=0).implode()
    return data.with_events(data.events.filter(pl.col("user_id").is_in(chosen)))


def shuffled(histories: Histories, seed: int) -> Histories:
    """Put the events of every history in random order."""
    draw = np.random.default_rng(seed)
    ids = histories.events["item_id"]
    bounds = zip(histories.user_ids, histories.offsets, histories.offsets[1:], strict=False)
    return Histories.of({user: ids.gather(a + draw.permutation(b - a)).to_list() for user, a, b in bounds})


def judged(model: Recommender, split: Split, histories: Histories) -> pl.DataFrame:
    """Every metric of every test user."""
    recs = model.recommend(histories, 10)
    return per_user(recs, split.test.answers, users=list(histories.user_ids), k=10).select(METRICS)


def run(
    recipe: str, split: Split, data: Dataset, seeds: int, place: str
) -> tuple[dict[str, object], pl.DataFrame]:
    """Train on every seed. Returns what to write down and each user's metrics, averaged over seeds."""
    tables, mixed, costs, valid = [], [], [], []
    for seed in range(seeds):
        chosen = Recipe.load(recipe, set=[f"seed={seed}"])
        model = fit_run(chosen, data, split, Path("runs") / "accuracy" / f"{place}-{recipe}-{seed}", resume=True)
        tables.append(judged(model, split, split.test.histories))
        mixed.append(judged(model, split, shuffled(split.test.histories, seed)))
        costs.append(model.facts["cost"])
        valid.append(max((row.get("valid_ndcg@10", 0.0) for row in model.train_log), default=0.0))
    mean = pl.DataFrame({name: np.mean([table[name].to_numpy() for table in tables], axis=0) for name in METRICS})
    facts: dict[str, object] = {
        "recipe": Recipe.load(recipe).model_dump(mode="json"),
        "valid_ndcg@10": valid,
        "by_seed": {name: [float(table[name].mean()) for table in tables] for name in METRICS},  # type: ignore[arg-type]
        "mean": {name: bootstrap(mean[name].to_numpy()).model_dump() for name in METRICS},
        "shuffled": {name: float(np.mean([table[name].mean() for table in mixed])) for name in METRICS},
        "cost": costs,
    }
    return facts, mean


def main() -> None:
    """Train, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=["smollm2-135m-soft", "sasrec"])
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--users", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    place = data.name if asked.users == 1 else f"{data.name}-{asked.users:g}"
    data = data if asked.users == 1 else sample(data, asked.users)
    split = Split.leave_last_out(data)
    found = {recipe: run(recipe, split, data, asked.seeds, place) for recipe in asked.recipes}
    first, mine = asked.recipes[0], found[asked.recipes[0]][1]
    facts = {
        "data": {"name": data.name, "share_of_users": asked.users, "users": len(split.test.histories),
                 "items": len(data.catalog), "events": data.events.height, "split": split.hash},
        "recipes": {recipe: facts for recipe, (facts, _) in found.items()},
        "p_values": {
            f"{first} against {other}": {name: paired_p_value(mine[name].to_numpy(), theirs[name].to_numpy())
                                         for name in METRICS}
            for other, (_, theirs) in found.items() if other != first
        },
        "machine": machine(),
        "versions": versions(),
    }  # fmt: skip
    out = Path(f"eval/results/accuracy-{place}.json")
    out.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {name: {"mean": f["mean"], "shuffled": f["shuffled"]} for name, (f, _) in found.items()}, indent=1
        )
    )
    print(facts["p_values"])


if __name__ == "__main__":
    main()
