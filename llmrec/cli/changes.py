"""Change a run: ``catalog add``, ``catalog update``, ``catalog remove`` for items, ``forget`` for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec.cli.arguments import Run
from llmrec.cli.commands import add as add_command
from llmrec.cli.commands import group
from llmrec.cli.output import say
from llmrec.errors import DataError

if TYPE_CHECKING:
    import polars as pl

ItemFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A table with item_id and other columns: CSV, JSON lines, Parquet."),
]
RemovedFile = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A table with the ids to remove, instead of --item.")
]


def add(run: Run, file: ItemFile) -> None:
    """New items, with item_id and title, or removed ones again; only models that score by text take new ones.

    Their texts are encoded whenever the run is loaded and needs them; llmrec.load(RUN).save(OTHER) keeps that.
    """
    _change(run, "add", _read(file))


def update(run: Run, file: ItemFile) -> None:
    """Other values in columns of items: FILE has item_id and only what changes, such as price or in_stock."""
    _change(run, "update", _read(file))


def remove(
    run: Run,
    file: RemovedFile = None,
    item: Annotated[
        list[str] | None, typer.Option("--item", metavar="ID", help="An item; again for more.")
    ] = None,
) -> None:
    """Items that are recommended no more; histories that hold them are read as before."""
    if (file is None) == (not item):
        raise DataError("say which items to remove: either a FILE, or --item ID once or more often")
    if file is not None and not file.exists():
        raise DataError(f"there is no file {file}; an item is named by --item {file}")
    import polars as pl

    _change(run, "remove", pl.DataFrame({"item_id": item}) if file is None else _read(file))


def forget(
    run: Run,
    user: Annotated[list[str], typer.Option("--user", metavar="ID", help="A user; again for more.")],
) -> None:
    """Remove people from a run: their histories and vectors. What only training again removes is printed.

    The run is written anew, whole: an interruption leaves it as before or as after, and the same command ends it.
    """
    from llmrec.models.forgetting import forget_users
    from llmrec.models.runs import require_finished

    require_finished(run)
    removed = forget_users(run, user)
    people = "1 user" if removed.users == 1 else f"{removed.users:,} users"
    say(f"{run}: removed {people}, {removed.events:,} events and {removed.vectors:,} vectors beside the run")
    if removed.remains:
        say(f"{run}: removed, too, what an interrupted forgetting had left")
    say(
        "not removed: what the weights learned of them (only fitting again on data without them removes that), "
        "the data folder, events that llmrec serve took, answers of llmrec batch, reports of llmrec evaluate, "
        "exported vectors, copies of the run"
    )


def _change(run: Path, verb: str, items: pl.DataFrame) -> None:
    from llmrec.models.runs import change_items
    from llmrec.retrieval.run_items import changes_of

    change = change_items(run, verb, items)
    removed, n = change.catalog.removed, len(change.catalog)
    left = n if removed is None else n - int(removed.sum())
    rows = "1 item" if change.given.height == 1 else f"{change.given.height:,} items"
    done = {"add": "added", "update": "changed", "remove": "removed"}[verb]
    say(f"{run}: {rows} {done}, {left:,} can be recommended; written to {changes_of(run)}")


def _read(file: Path) -> pl.DataFrame:
    """Read a table of items by our column names."""
    from llmrec.data.readers.column_names import name_some_items
    from llmrec.data.readers.read import read_items

    return name_some_items(read_items(file).frame, label=file.name)


app = group("Change the items of a run without training: written to RUN.changes, made when the run is loaded.")
for command in (add, update, remove):
    add_command(app, command)
