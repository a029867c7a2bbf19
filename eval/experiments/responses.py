"""Predict behavior, purchases and ratings on real data: python eval/experiments/responses.py shop|platform|media
[--data DIR].

Cut by global time; every model is asked about the same held-out events, each after what its user did strictly
before. Trained models are kept in runs/responses/CASE/ and not trained again; for the shop they are judged on the
next item, too. Writes eval/results/responses-CASE.json and next-item-CASE.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from llmrec import Dataset, Recipe, Split, evaluate
from llmrec.config import RESPONDING
from llmrec.data import fetch
from llmrec.data.responses import TaskSet
from llmrec.evaluation import judge_responses, response_questions
from llmrec.models import Fusion, Recommender
from llmrec.models.responses.baselines import HiddenMarkovResponses, MarkovResponses, PriorResponses, ResponseModel
from llmrec.models.responses.ratings import BiasRatings, FactorRatings
from llmrec.models.responses.tabular import BoostedResponses, LogisticResponses
from llmrec.models.runs import fit_run


@dataclass(frozen=True)
class Case:
    """A data set, what its events say, what is asked; ``ranked`` are judged on the next item only.

    ``changes``: fields of every recipe, ``network``: of every one but the LLM's, ``answering``: of those that
    answer. One of ``ranked`` may have fields of its own behind its recipe.
    """

    data: str
    events: str
    tasks: list[str]
    recipes: tuple[str, ...] = ("smollm2-135m-events", "gru-events", "lstm-events", "gru-text-events")
    ranked: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    answering: tuple[str, ...] = ()

    def recipe(self, words: str, given: list[str]) -> Recipe:
        """Load a shipped recipe as this case has it; ``given`` has the last word."""
        name, *own = words.split()
        kind = Recipe.load(name).model
        told = [f"history.events={self.events}", f"tasks=[{','.join(self.tasks)}]", *self.answering]
        sizes = () if kind == "llm" else self.network
        return Recipe.load(name, set=[*(told if kind in RESPONDING else ()), *self.changes, *sizes, *own, *given])


CASES = {
    "shop": Case(
        "online-retail",
        "[behavior, price, quantity, gap]",
        ["purchase", "gap", "value"],
        # By validation: three epochs are enough with repeats, less of the responses' loss helps the LLM's ranking,
        # ALS is best with 128 factors.
        recipes=(
            "smollm2-135m-events train.epochs=3 responses.weight=0.3",
            "gru-events",
            "lstm-events",
            "gru-text-events",
        ),
        ranked=(
            "gru",
            "gru history.repeat_bias=true train.epochs=3 name=gru-repeats",
            "als als.factors=128",
            "repeat-last",
            "markov",
            "popularity",
        ),
        changes=("train.targets=both",),
        answering=("history.repeat_bias=true",),
        network=("sequence.max_items=200",),  # as the LLM's: a basket holds twenty items and more
    ),
    "platform": Case(
        "taobao-behaviours",
        "[behavior, gap]",
        ["behavior", "purchase", "action"],
        changes=("train.epochs=2",),  # 84,793 items: an epoch takes minutes
    ),
    "media": Case("ml-100k", "[rating, gap]", ["rating"]),
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
    found["boosting by rows"] = BoostedResponses(held_out="rows").fit(split.train, tasks)
    if "rating" not in tasks.names:
        return found
    return found | {"bias": BiasRatings().fit(split.train, tasks), "factors": factors(split, tasks)}


def read(case: Case, folder: str | None) -> Dataset:
    """Fetch MovieLens 100K, or read a folder."""
    if case.data == "ml-100k":
        return fetch(case.data)
    place = Path(folder or case.data)
    items = place / "items.csv.gz"
    return Dataset.from_files(
        place / "interactions.csv.gz",
        items=items if items.exists() else None,
        name=case.data,
        drop_unknown_items=items.exists(),
    )


def write(name: str, found: dict[str, object]) -> None:
    """Write a result."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    Path(f"eval/results/{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Fit, ask, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", default=None, help="a folder with interactions.csv.gz and items.csv.gz")
    parser.add_argument("--recipes", nargs="*", help="instead of all that answer; fields may follow a name")
    parser.add_argument("--set", nargs="*", default=[], help="fields changed in every recipe")
    given = parser.parse_args()
    case = CASES[given.case]
    data = read(case, given.data)
    split = Split.global_time(data)
    tasks = TaskSet.fit(split.train, case.tasks)
    runs = Path("runs/responses") / given.case

    def trained(words: str) -> Recommender:
        recipe = case.recipe(words, given.set)
        return fit_run(recipe, data, split, runs / recipe.name, resume=True)

    recipes = case.recipes if given.recipes is None else given.recipes
    for name in recipes:
        if Recipe.load(name.split()[0]).model not in RESPONDING:
            parser.error(f"{name} predicts no responses; models that do are {', '.join(RESPONDING)}")
    folders = [case.recipe(words, given.set).name for words in (*recipes, *case.ranked)]
    if len(set(folders)) < len(folders):
        parser.error(f"two of {', '.join(folders)} have one name; give one of them another: name=...")
    answering = {model.recipe.name: model for model in map(trained, recipes)}
    ranked = {model.recipe.name: model for model in map(trained, case.ranked)}
    models = {**answering, **baselines(split, tasks)}
    report = judge_responses(models, response_questions(split, tasks), tasks, about=case.data, split=split.name)
    print(report.to_markdown())
    report.save(runs / "report")
    write(f"responses-{given.case}", report.to_dict())
    if ranked:
        for first in list(answering)[:1]:
            fusion = Fusion.tuned(answering[first], ranked["repeat-last"], split.valid)
            ranked[f"fusion of {first} and repeat-last"] = fusion
        next_item = evaluate({**answering, **ranked}, split)
        print(next_item)
        write(f"next-item-{given.case}", next_item.to_dict())


if __name__ == "__main__":
    main()
