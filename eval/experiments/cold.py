"""Items that were never trained on: the LLM recommender against text retrieval and models that know only ids.

python eval/experiments/cold.py [--data DIR] [--epochs N] [--ids RECIPE ...]. A tenth of the items is kept out of
training; users who chose one of them are asked for it among all items. The bias of such items (head.cold_bias) is
chosen on validation. Writes cold-DATA.json.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eval.common import arguments, open_data, write_result
from llmrec import Recipe, Split, evaluate, fit, load
from llmrec.metrics import per_user
from llmrec.models import LLMRecommender, Recommender

QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.97, 1.0)


def recall(run: Path, quantile: float, split: Split) -> float:
    """Recall@10 on validation with one bias of cold items."""
    fold = split.valid
    recs = with_cold_bias(run, quantile).recommend(fold.histories, 10)
    table = per_user(recs, fold.answers, users=list(fold.histories.user_ids), k=10)
    return float(table["recall@10"].to_numpy().mean())


def with_cold_bias(run: Path, quantile: float) -> LLMRecommender:
    """Load a run; its cold items get this quantile of the trained items' biases."""
    model = load(run)
    assert isinstance(model, LLMRecommender)
    model.set_cold_bias(quantile)
    return model


def main() -> None:
    """Train, choose, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--ids", nargs="*", default=["gru"])
    args = parser.parse_args()
    data = open_data(args.data)
    split, runs = Split.cold_items(data), Path("runs/cold")
    changes = [f"train.epochs={args.epochs}", "head.item_dropout=0.3", "history.max_items=100"]
    run = runs / f"{data.name}-llm"
    fit(Recipe.load("smollm2-135m-soft", set=changes), data, split, run, resume=True)
    by_bias = [{"quantile": quantile, "valid_recall@10": recall(run, quantile, split)} for quantile in QUANTILES]
    best = max(by_bias, key=lambda row: row["valid_recall@10"])["quantile"]
    models: dict[str, Recommender] = {"llm": with_cold_bias(run, best)}
    for name in ["text", *args.ids]:
        models[name] = fit(Recipe.load(name), data, split, runs / f"{data.name}-{name}", resume=True)
    report = evaluate(models, split, protocol="cold-items-in-catalog", progress=True)
    Console().print(report)
    sections = {"The bias of cold items, on the validation users": by_bias}
    write_result(args.out / f"cold-{data.name}.json", sections, report=report)


if __name__ == "__main__":
    main()
