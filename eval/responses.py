"""Predict behavior, purchases and ratings on real data: python eval/responses.py shop|platform|media [--data DIR].

Cut by global time; every model is asked about the same held-out events, each after what its user did strictly
before. ``--recipes`` adds trained models, kept in runs/responses/CASE/ and not trained again; with ``--rank``
those are judged on the next item, too. Writes eval/results/responses-CASE.json and, ranked, next-item-CASE.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from llmrec import Dataset, Recipe, Split, evaluate
from llmrec.config import RESPONDING
from llmrec.data import fetch
from llmrec.data.responses import TaskSet
from llmrec.evaluation import judge_responses, response_questions
from llmrec.models.rating_baselines import BiasRatings, FactorRatings
from llmrec.models.response_baselines import HiddenMarkovResponses, MarkovResponses, PriorResponses, ResponseModel
from llmrec.models.response_features import BoostedResponses, LogisticResponses
from llmrec.models.runs import fit_run

CASES = {
    "shop": ("online-retail", "[behavior, price, quantity, gap]", ["purchase", "gap", "value"]),
    "platform": ("taobao-behaviours", "[behavior, gap]", ["behavior", "purchase", "action"]),
    "media": ("ml-100k", "[rating, gap]", ["rating"]),
}
PENALTIES = (2.0, 4.0, 8.0, 16.0, 32.0)


def factors(split: Split, tasks: TaskSet) -> FactorRatings:
    """Matrix factorization with the penalty that is best on validation."""
    asked = response_questions(split, tasks, fold="valid")
    tried = {str(p): FactorRatings(regularization=p).fit(split.train, tasks) for p in PENALTIES}
    table = judge_responses(tried, asked, tasks, samples=2).table.filter(metric="rmse").sort("value")
    return tried[table["model"][0]]


def baselines(split: Split, tasks: TaskSet) -> dict[str, ResponseModel]:
    """Every baseline that can answer one of the tasks."""
    kinds = [PriorResponses, MarkovResponses, HiddenMarkovResponses, LogisticResponses, BoostedResponses]
    found = {kind.name: kind().fit(split.train, tasks) for kind in kinds}
    if "rating" not in tasks.names:
        return found
    return found | {"bias": BiasRatings().fit(split.train, tasks), "factors": factors(split, tasks)}


def main() -> None:
    """Fit, ask, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", default=None, help="a folder with interactions.csv.gz and items.csv.gz")
    parser.add_argument("--recipes", nargs="*", default=[])
    parser.add_argument("--set", nargs="*", default=[], help="fields changed in every recipe")
    parser.add_argument("--rank", action="store_true")
    given = parser.parse_args()
    name, events, names = CASES[given.case]
    if name == "ml-100k":
        data = fetch(name)
    else:
        place = Path(given.data or name)
        items = place / "items.csv.gz"
        data = Dataset.from_files(
            place / "interactions.csv.gz", items=items if items.exists() else None, name=name,
            drop_unknown_items=items.exists(),
        )  # fmt: skip
    split = Split.global_time(data)
    tasks = TaskSet.fit(split.train, names)
    changes = [f"history.events={events}", f"tasks=[{','.join(names)}]", *given.set]
    runs, trained = Path("runs/responses") / given.case, {}
    for recipe in given.recipes:
        own = changes if Recipe.load(recipe).model in RESPONDING else []
        trained[recipe] = fit_run(Recipe.load(recipe, set=own), data, split, runs / recipe, resume=True)
    answering = {recipe: model for recipe, model in trained.items() if model.kind in RESPONDING}
    models = {**answering, **baselines(split, tasks)}
    report = judge_responses(models, response_questions(split, tasks), tasks, about=name, split=split.name)
    print(report.to_markdown())
    report.save(runs / "report")
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    Path(f"eval/results/responses-{given.case}.json").write_text(text + "\n", encoding="utf-8")
    if given.rank:
        ranked = evaluate(trained, split)
        print(ranked)
        text = json.dumps(ranked.to_dict(), indent=1, ensure_ascii=False)
        Path(f"eval/results/next-item-{given.case}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
