"""Predict behavior, purchases and ratings on real data: python eval/experiments/responses.py shop|platform|media.

The cases stand in responses.yaml. Cut by global time; every model predicts the same held-out events, each from
what its user did strictly before. Finished runs in runs/responses/CASE/ are loaded; those of the shop are
evaluated on the next item, too. Writes responses-CASE.json and next-item-CASE.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from eval.common import arguments, open_data, write_result
from llmrec import Dataset, Recipe, Split, evaluate, fit
from llmrec.data.responses import TaskSet
from llmrec.errors import InputError
from llmrec.evaluation import judge_responses, response_queries
from llmrec.models import Fusion, Recommender, from_recipe
from llmrec.models.responses.baselines import HiddenMarkovResponses, MarkovResponses, PriorResponses, ResponseModel
from llmrec.models.responses.ratings import BiasRatings, FactorRatings
from llmrec.models.responses.tabular import BoostedResponses, LogisticResponses

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
PENALTIES = (2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True)
class Case:
    """A case of responses.yaml, which says what each field means."""

    data: str
    events: list[str]
    tasks: list[str]
    recipes: list[str]
    ranked: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def with_tasks(self, words: str, changes: list[str]) -> Recipe:
        """Load a recipe that predicts this case's tasks; ``changes`` have the last word."""
        tasks = [f"history.events=[{','.join(self.events)}]", f"tasks=[{','.join(self.tasks)}]"]
        return checked(words, *tasks, *self.changes, changes=changes)


def checked(words: str, *fields: str, changes: Sequence[str] = ()) -> Recipe:
    """Load "NAME FIELD=VALUE ...", other ``fields`` before those. Raises RecipeError for one that is not read."""
    name, *given = words.split()
    return from_recipe(Recipe.load(name, set=[*fields, *given, *changes])).recipe


def factors(split: Split, tasks: TaskSet) -> FactorRatings:
    """Matrix factorization with the penalty that is best on validation."""
    queries = response_queries(split, tasks, fold="valid")
    tried = {str(p): FactorRatings(regularization=p).fit(split.train, tasks) for p in PENALTIES}
    table = judge_responses(tried, queries, tasks, samples=2).table.filter(metric="rmse").sort("value")
    return tried[table["model"][0]]


def baselines(split: Split, tasks: TaskSet) -> dict[str, ResponseModel]:
    """Every baseline that can predict one of the tasks."""
    kinds = [PriorResponses, MarkovResponses, HiddenMarkovResponses, LogisticResponses, BoostedResponses]
    models: dict[str, ResponseModel] = {kind.name: kind().fit(split.train, tasks) for kind in kinds}
    models["boosting by rows"] = BoostedResponses(held_out="rows").fit(split.train, tasks)
    if "rating" in tasks.names:
        models |= {"bias": BiasRatings().fit(split.train, tasks), "factors": factors(split, tasks)}
    return models


def read(case: Case, folder: str | None) -> Dataset:
    """Open a built-in data set, or read the files of a folder."""
    if folder is None:
        return open_data(case.data)
    items = Path(folder) / "items.csv.gz"
    return Dataset.from_files(
        Path(folder) / "interactions.csv.gz",
        items=items if items.exists() else None,
        name=case.data,
        drop_unknown_items=items.exists(),
    )


def main() -> None:
    """Fit, predict, evaluate, write."""
    parser = arguments(__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", help="a folder with interactions.csv.gz and items.csv.gz")
    parser.add_argument("--recipes", nargs="*", help="instead of all with tasks; fields may follow a name")
    parser.add_argument("--set", action="append", default=[], help="fields of every recipe with tasks")
    args = parser.parse_args()
    case, runs = Case(**CASES[args.case]), Path("runs/responses") / args.case
    recipes = case.recipes if args.recipes is None else args.recipes
    try:
        predicting = [case.with_tasks(words, args.set) for words in recipes]
        ranking = [checked(words) for words in case.ranked]
    except InputError as error:
        parser.error(str(error))
    names = [recipe.name for recipe in (*predicting, *ranking)]
    if len(set(names)) < len(names):
        parser.error(f"two of {', '.join(names)} have one name; give one of them another: name=...")
    data = read(case, args.data)
    split = Split.global_time(data)
    tasks = TaskSet.fit(split.train, case.tasks)

    def trained(recipes: list[Recipe]) -> dict[str, Recommender]:
        return {recipe.name: fit(recipe, data, split, runs / recipe.name, resume=True) for recipe in recipes}

    models, ranked = trained(predicting), trained(ranking)
    queries = response_queries(split, tasks)
    predictors: dict[str, Any] = {**models, **baselines(split, tasks)}
    report = judge_responses(predictors, queries, tasks, about=case.data, split=split.name)
    print(report.to_markdown())
    report.save(runs / "report")
    write_result(args.out / f"responses-{args.case}.json", responses=report)
    if ranked:
        first, model = next(iter(models.items()))
        fusion = Fusion.tuned(model, ranked["repeat-last"], split.valid)
        next_item = evaluate({**models, **ranked, f"fusion of {first} and repeat-last": fusion}, split)
        print(next_item)
        write_result(args.out / f"next-item-{args.case}.json", report=next_item)


if __name__ == "__main__":
    main()
