"""Train recipes on several seeds and compare them on the test users, in order, shuffled, and two of them fused.

python eval/experiments/accuracy.py [RECIPE ...] [--data DIR | ml-100k] [--users SHARE] [--seeds N] [--set
RECIPE:KEY=VALUE]
The first recipe is compared with each of the others by a paired test over users, of each user's mean over seeds.
Finished runs under runs/ are not trained again. The fusion of the first two, its weight chosen on validation, is
compared, too. Writes eval/results/accuracy-DATA.json.
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
from llmrec.models import Fusion, Recommender
from llmrec.models.runs import fit_run
from llmrec.runtime import machine, versions

METRICS = ("recall@10", "ndcg@10")
Facts = dict[str, object]
CHANGES: dict[str, list[str]] = {}  # of a recipe, as --set asks


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


def run(recipe: str, split: Split, data: Dataset, seeds: int, place: str) -> tuple[Facts, pl.DataFrame]:
    """Train on every seed. Returns what to write down and each user's metrics, averaged over seeds."""
    tables, mixed, costs, valid = [], [], [], []
    for seed in range(seeds):
        model = trained(recipe, split, data, seed, place)
        tables.append(judged(model, split, split.test.histories))
        mixed.append(judged(model, split, shuffled(split.test.histories, seed)))
        costs.append(model.metadata["cost"])
        valid.append(max((row.get("valid_ndcg@10", 0.0) for row in model.train_log), default=0.0))
    mean = averaged(tables)
    metadata: Facts = {
        "recipe": Recipe.load(recipe, set=CHANGES.get(recipe, [])).model_dump(mode="json"),
        "valid_ndcg@10": valid,
        "by_seed": {name: [float(table[name].mean()) for table in tables] for name in METRICS},  # type: ignore[arg-type]
        "mean": {name: bootstrap(mean[name].to_numpy()).model_dump() for name in METRICS},
        "shuffled": {name: float(np.mean([table[name].mean() for table in mixed])) for name in METRICS},
        "cost": costs,
    }
    return metadata, mean


def fused(recipes: list[str], split: Split, data: Dataset, seeds: int, place: str) -> tuple[Facts, pl.DataFrame]:
    """Fuse the first two recipes, seed by seed: a mix of two models, not a model."""
    tables, weights = [], []
    for seed in range(seeds):
        made = [trained(recipe, split, data, seed, place) for recipe in recipes[:2]]
        fusion = Fusion.tuned(made[0], made[1], split.valid)
        weights.append(fusion.weight)
        tables.append(judged(fusion, split, split.test.histories))
    mean = averaged(tables)
    return {
        "weights": weights,
        "mean": {name: bootstrap(mean[name].to_numpy()).model_dump() for name in METRICS},
    }, mean


def p_values(means: dict[str, pl.DataFrame], pairs: list[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Test each pair for each metric, over users."""
    return {
        f"{one} against {other}": {
            name: paired_p_value(means[one][name].to_numpy(), means[other][name].to_numpy()) for name in METRICS
        }
        for one, other in pairs
    }


def averaged(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Each user's metrics, averaged over seeds."""
    return pl.DataFrame({name: np.mean([table[name].to_numpy() for table in tables], axis=0) for name in METRICS})


def trained(recipe: str, split: Split, data: Dataset, seed: int, place: str) -> Recommender:
    """Train a recipe with a seed, or load the finished run."""
    chosen = Recipe.load(recipe, set=[f"seed={seed}", *CHANGES.get(recipe, [])])
    return fit_run(chosen, data, split, Path("runs") / "accuracy" / f"{place}-{recipe}-{seed}", resume=True)


def main() -> None:
    """Train, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=["smollm2-135m-soft", "sasrec"])
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--users", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="RECIPE:KEY=VALUE")
    asked = parser.parse_args()
    for recipe, _, change in (one.partition(":") for one in asked.set):
        CHANGES.setdefault(recipe, []).append(change)
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    place = data.name if asked.users == 1 else f"{data.name}-{asked.users:g}"
    data = data if asked.users == 1 else sample(data, asked.users)
    split = Split.leave_last_out(data)
    found = {recipe: run(recipe, split, data, asked.seeds, place) for recipe in asked.recipes}
    if len(asked.recipes) > 1:
        found["fusion"] = fused(asked.recipes, split, data, asked.seeds, place)
    pairs = [(asked.recipes[0], other) for other in asked.recipes[1:]]
    pairs += [("fusion", other) for other in asked.recipes if "fusion" in found]
    metadata = {
        "data": {
            "name": data.name,
            "share_of_users": asked.users,
            "users": len(split.test.histories),
            "items": len(data.catalog),
            "events": data.events.height,
            "split": split.hash,
        },
        "recipes": {recipe: metadata for recipe, (metadata, _) in found.items()},
        "p_values": p_values({name: mean for name, (_, mean) in found.items()}, pairs),
        "machine": machine(),
        "versions": versions(),
    }
    out = Path(f"eval/results/accuracy-{place}.json")
    out.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {name: {"mean": f["mean"], "shuffled": f.get("shuffled")} for name, (f, _) in found.items()}, indent=1
        )
    )
    print(metadata["p_values"])


if __name__ == "__main__":
    main()
