"""``llmrec data``: get event logs in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec.cli.arguments import OutFolder, PreparedData
from llmrec.cli.commands import PLAIN, Lazy, help_alone, lazy_group
from llmrec.cli.output import Json, say, show

COMMANDS = {
    "prepare": Lazy(
        "llmrec.cli.prepare:prepare", "Check and clean an event log; every step says what it removed."
    ),
    "split": Lazy(
        "llmrec.cli.split:split",
        "Split prepared data into train, validation and test; show the counts and the hash that results name.",
    ),
    "list": Lazy("llmrec.cli.data:list_sets", "The data sets that can be fetched by name."),
    "fetch": Lazy("llmrec.cli.data:fetch", "Fetch a data set and prepare it."),
    "describe": Lazy(
        "llmrec.cli.data:describe",
        "Counts, history lengths, popularity, times, behaviors, text and warnings; drawn with --out.",
    ),
}

app = typer.Typer(
    cls=lazy_group(COMMANDS),
    help="Prepare, describe and split event logs.",
    callback=help_alone,
    invoke_without_command=True,
    **PLAIN,
)


def list_sets(as_json: Json = False) -> None:
    """The data sets that can be fetched by name."""
    import polars as pl

    from llmrec.data.builtin import BUILTIN

    rows = [(name, one.description, one.license) for name, one in BUILTIN.items()]
    show(pl.DataFrame(rows, schema=["name", "what", "terms"], orient="row"), as_json=as_json)


def fetch(
    name: Annotated[str, typer.Argument(help="A name from `llmrec data list`.")],
    out: OutFolder,
    positive: Annotated[
        str,
        typer.Option("--positive", metavar="SQL|all", help="Which events are right answers, as for prepare."),
    ] = "default",
) -> None:
    """Fetch a data set and prepare it."""
    from llmrec.data import Dataset

    data = Dataset.fetch(name, positive=positive)
    data.save(out)
    say(f"{out}: {data!r}")


def describe(
    folder: PreparedData,
    out: Annotated[Path | None, typer.Option("--out", help="Also draw: describe.html and .png go there.")] = None,
    as_json: Json = False,
) -> None:
    """Counts, history lengths, popularity, times, behaviors, text and warnings; drawn with --out."""
    import polars as pl

    from llmrec.data import Catalog, Dataset
    from llmrec.data.describe import describe as described
    from llmrec.data.describe_page import draw
    from llmrec.prompting import Prompt, item_texts

    data = Dataset.load(folder)
    prompt = Prompt.load("item")
    (line,) = item_texts(Catalog(data.catalog.table.head(1)), prompt)
    of_items = pl.DataFrame({"what": ["what a model of texts reads of an item"], "value": [line.strip()]})
    show(described(data).vstack(of_items), as_json=as_json)
    if out is not None:
        for path in draw(data, out, item_lines=lambda rows: item_texts(Catalog(rows), prompt)):
            say(path, error=as_json)
