"""``llmrec fit``: train a recipe on prepared data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[str, typer.Argument(help="A shipped recipe's name, or a .yaml file.")]
Data = Annotated[Path, typer.Option("--data", help="A folder made by `llmrec data prepare`.")]
Out = Annotated[Path, typer.Option("--out", help="The run directory to write.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field, e.g. train.epochs=3."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")]

AllowLeak = Annotated[
    list[str] | None,
    typer.Option("--allow-leak", metavar="NAME", help="Train although the data has this leak; it is recorded."),
]


def fit(
    recipe: Recipe, data: Data, out: Out, set: Set = None, resume: Resume = False, allow_leak: AllowLeak = None
) -> None:
    """Train a recommender; the last two events of each user are held out."""
    import llmrec
    from llmrec.models.runs import fit_run

    chosen = llmrec.Recipe.load(recipe, set=set)
    table = llmrec.Dataset.load(data)
    split = llmrec.Split.leave_last_out(table)
    model = fit_run(chosen, table, split, out, resume=resume, allow_leaks=allow_leak or ())
    cost = model.facts.get("cost", {})
    took = f" in {cost['train_seconds']:,.0f} s" if "train_seconds" in cost else ""
    print(f"{out}: {model.kind} trained on {split.train.events.height:,} events{took}")
