"""``llmrec quickstart``: the main job, end to end, on the embedded model and real ratings."""

from __future__ import annotations

import datetime
import re
import time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec.cli.output import draw, say

if TYPE_CHECKING:
    from llmrec.config.recipe import Recipe
    from llmrec.data import Split
    from llmrec.models import Ranker, Recommender

BASELINES = ("popularity", "markov", "item-knn", "rules")
NETWORKS = ("gru", "lstm")
MINUTES = 1.25  # for each network, which would go on for another; the LLM has train.max_minutes of its recipe
# What is weighed together on validation answers; the first row of the table is compared with each other one.
STACKS = (("llm", "gru", "rules"), ("llm", "rules"), ("gru", "rules"))

BaseToTune = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="NAME|PATH",
        help="The LLM to tune: a folder, a GGUF file, a known name or a hub id: the recipe's backbone.base.",
    ),
]


def quickstart(
    out: Annotated[Path, typer.Option("--out", help="Where everything goes.")] = Path("runs/quickstart"),
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="How histories are written for the LLM: the recipe's history.encoding."),
    ] = None,
    base: BaseToTune = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change the LLM's recipe.")
    ] = None,
) -> None:
    """Fetch model and data, train the LLM next to GRU and LSTM, compare, explain, report.

    Stopped at any point, the same command continues where it was.
    """
    import llmrec
    from llmrec.evaluation.report.showcase import with_showcase
    from llmrec.models.runs import fit_run
    from llmrec.runtime import peak_memory_gib

    began = time.monotonic()
    recipes = {name: llmrec.Recipe.load(name) for name in BASELINES}
    recipes |= {name: llmrec.Recipe.load(name, set=[f"train.max_minutes={MINUTES}"]) for name in NETWORKS}
    recipes["llm"], folder = _of_llm(encoding, base, set)
    folders = {name: name for name in recipes} | {"llm": folder}
    say("1/4 data: MovieLens 100K")
    data = llmrec.Dataset.fetch("ml-100k", positive="all")  # as published results on it have it
    split = llmrec.Split.leave_last_out(data)
    say(f"    {data!r}")
    say(f"2/4 training: {', '.join(recipes)}")
    fitted: dict[str, Recommender] = {}
    for name, recipe in recipes.items():
        fitted[name] = fit_run(recipe, data, split, out / folders[name], resume=True)
    say("3/4 evaluating: every film ranked for every user")
    # The LLM is trained last, when its memory is not yet in the baselines' peak.
    models: dict[str, Ranker] = {**_stacked(fitted, split), "llm": fitted["llm"], **fitted}
    report = llmrec.evaluate(models, split, progress=True, date=datetime.date.today())
    say("4/4 reasons: planned from evidence, worded by templates, checked by an audit")
    report, reasons = with_showcase(report, fitted["llm"], split.test)
    report.save(out)
    draw(report)
    for verdict in report.verdicts:
        say(f"- {verdict}")
    say(f"\nOne of {len(reasons)} reasons: {reasons['sentence'][0]}")
    say(f"Report: {out / 'report.html'}")
    say(f"Next:   llmrec recommend {out / folders['llm']} --user 1 --explain")
    say(f"done in {(time.monotonic() - began) / 60:.1f} min, peak memory {peak_memory_gib():.1f} GiB")


def _stacked(fitted: dict[str, Recommender], split: Split) -> dict[str, Ranker]:
    """Stack fitted models as STACKS says, by names such as "llm + rules"."""
    from llmrec.models import StackedRecommender

    parts = {" + ".join(names): [fitted[name] for name in names] for names in STACKS}
    return {label: StackedRecommender.of(members, split, name=label) for label, members in parts.items()}


def _of_llm(encoding: str | None, base: str | None, changes: list[str] | None) -> tuple[Recipe, str]:
    """Return the LLM's recipe and the folder of its run. Raises LlmrecError before anything else is fetched."""
    from llmrec.config.recipe import Recipe
    from llmrec.llm.bases import find_base
    from llmrec.models.registry import complete_recipe

    given = {"history.encoding": encoding, "backbone.base": base}
    values = {field: value for field, value in given.items() if value is not None}
    recipe = Recipe.load("quickstart", set=changes).with_values(values)
    complete_recipe(recipe)
    if base is not None:
        find_base(base)
    return recipe, "-".join(["llm", *(re.sub(r"[^\w.-]", "-", PurePath(value).name) for value in values.values())])
