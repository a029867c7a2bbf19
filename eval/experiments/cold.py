"""Items that were never trained on: the LLM recommender against text retrieval and models that know only ids.

python eval/experiments/cold.py [--data DIR | ml-100k] [--epochs N] [--ids RECIPE ...]. A tenth of the items is
kept out of
training, and asked for among all items. The bias of such items (head.cold_bias) is chosen on the validation tenth.
Writes eval/results/cold-DATA.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmrec import Dataset, Recipe, Split
from llmrec.data import BUILTIN, Fold, fetch
from llmrec.evaluation.significance import bootstrap, paired_p_value
from llmrec.metrics import per_user
from llmrec.models import LLMRecommender, Recommender
from llmrec.models.runs import fit_run, load_run
from llmrec.runtime import machine, versions

Floats = npt.NDArray[np.float64]
QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.97, 1.0)


def recall(model: Recommender, fold: Fold) -> Floats:
    """Recall@10 of each user, among all items."""
    users = list(fold.histories.user_ids)
    return per_user(model.recommend(fold.histories, 10), fold.answers, users=users, k=10)["recall@10"].to_numpy()


def with_cold_bias(run: Path, split: Split) -> tuple[Recommender, dict[str, float]]:
    """Load a run with the quantile of the highest recall on validation; return what each gave."""
    gave, models = {}, {}
    for quantile in QUANTILES:
        model = load_run(run)
        assert isinstance(model, LLMRecommender)
        model.set_cold_bias(quantile)
        values = recall(model, split.valid)
        gave[str(quantile)], models[str(quantile)] = float(values.mean()), model
    return models[max(gave, key=lambda name: gave[name])], gave


def main() -> None:
    """Train, choose, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--ids", nargs="*", default=["gru"])
    asked = parser.parse_args()
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.cold_items(data)
    place = Path("runs") / "cold"
    changes = [f"train.epochs={asked.epochs}", "head.item_dropout=0.3", "history.max_items=100"]
    ours = Recipe.load("smollm2-135m-soft", set=changes)
    fit_run(ours, data, split, place / f"{data.name}-llm", resume=True)
    llm, gave = with_cold_bias(place / f"{data.name}-llm", split)
    models = {"llm": llm}
    for name in ["text", *asked.ids]:
        models[name] = fit_run(Recipe.load(name), data, split, place / f"{data.name}-{name}", resume=True)
    values = {name: recall(model, split.test) for name, model in models.items()}
    means = {name: bootstrap(each).model_dump() for name, each in values.items()}
    metadata = {
        "data": {"name": data.name, "users": len(split.test.histories), "items": len(data.catalog)},
        "split": split.hash,
        "recall@10": means,
        "times_text": means["llm"]["mean"] / means["text"]["mean"],
        "p_values": {name: paired_p_value(values["llm"], each) for name, each in values.items() if name != "llm"},
        "valid_recall@10_by_cold_bias": gave,
        "cost": llm.metadata["cost"],
        "machine": machine(),
        "versions": versions(),
    }
    Path(f"eval/results/cold-{data.name}.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({"recall@10": means, "times_text": metadata["times_text"]}, indent=1))


if __name__ == "__main__":
    main()
