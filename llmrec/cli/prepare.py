"""``llmrec data prepare``: any event log in, checked and cleaned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from llmrec.cli.arguments import OutFolder, declare_options, given_options
from llmrec.cli.output import say
from llmrec.cli.reading_options import READING, reading_options
from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.data.cleaning.pipeline import CleaningOptions

Events = Annotated[str, typer.Argument(help="The event log: a file, a folder, or a query with --sql.")]
Items = Annotated[
    str | None, typer.Option("--items", help="The catalog: item_id, title, ...; a query with --sql.")
]
Relations = Annotated[
    str | None,
    typer.Option(
        "--relations", help="Triples beside the catalog: head (an item id), relation, tail; columns of the items."
    ),
]
Sql = Annotated[
    str | None,
    typer.Option("--sql", metavar="CONNECTION", help="Read by query, e.g. duckdb:///shop.db, sqlite:///shop.db."),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="OURS=THEIRS", help="Name a column that is not recognised: user_id=customer."
    ),
]


def _option(help: str, *, metavar: str | None = None, panel: str = "Cleaning") -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=help, metavar=metavar, rich_help_panel=panel)
    return option


def _refused(help: str) -> typer.models.OptionInfo:
    return _option(help, panel="Where data is refused")


# By the names of CleaningOptions.
_CLEANING = {
    "drop_unknown_items": Annotated[bool, _refused("Drop events whose item is not in the catalog.")],
    "drop_items_without_text": Annotated[bool, _refused("Drop items that have no title.")],
    "drop_bad_times": Annotated[bool, _refused("Drop events whose time cannot be read.")],
    "blank_bad_numbers": Annotated[
        bool, _refused("Read prices, ratings, quantities that are no numbers as blank, also where needed.")
    ],
    "time_format": Annotated[
        str | None, _refused('How times are written: "%d/%m/%Y %H:%M", or seconds, days, excel, order.')
    ],
    "order_by_rows": Annotated[bool, _refused("Take the order of the rows, whatever columns hold times.")],
    "order_at_random": Annotated[bool, _refused("Take a random order: of a log without times, sorted otherwise.")],
    "drop_further_item_rows": Annotated[bool, _refused("Keep the first of an item's rows that differ.")],
    "keep_unseen_items": Annotated[bool, _option("Keep items that no event names.")],
    "keep_missing_words": Annotated[bool, _option("Keep events whose user or item is NA, null, None, nan.")],
    "drop_impossible": Annotated[bool, _option("Drop future times and negative prices that are no return.")],
    "drop_repeats": Annotated[bool, _option("Drop an event that equals the user's event before it.")],
    "drop_where": Annotated[list[str] | None, _option('Drop events that meet it: "price > 1000".', metavar="SQL")],
    "max_events_per_hour": Annotated[int | None, _option("Drop users who were ever faster: bots.")],
    "min_user_events": Annotated[
        int | None, _option("Drop users with fewer events; with --min-item-events a k-core.")
    ],
    "min_item_events": Annotated[int | None, _option("Drop items with fewer events.")],
    "scale": Annotated[list[str] | None, _option("Add COLUMN_scaled: mean 0, deviation 1.", metavar="COLUMN")],
    "positive": Annotated[
        str | None,
        _option(
            'Which events are right answers: "rating >= 4", or all. By default none sent back, cancelled, '
            "disliked, skipped or taken out of a cart, no rating of 0 or below, and none of 1 of 5.",
            metavar="SQL|all",
            panel="Right answers",
        ),
    ],
    "strength": Annotated[
        list[str] | None,
        _option("How strong a behavior is: -1 return to 4 purchase.", metavar="BEHAVIOR=N"),
    ],
}


def prepare(
    events: Events,
    out: OutFolder,
    items: Items = None,
    relations: Relations = None,
    sql: Sql = None,
    column: Column = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What reports call the data; by default the folder's name.")
    ] = None,
    **options: Any,
) -> None:
    """Check and clean an event log; every step says what it removed.

    Reads CSV, TSV, JSON lines, Parquet files and folders, MovieLens, Amazon Reviews and RecBole files, also
    packed (.gz, .zst). Columns are recognised by well-known names, and the mapping is printed. Without --items the
    catalog comes from the folder or from the log itself.
    """
    from llmrec.data import Dataset
    from llmrec.data.cleaning.table import steps_unlogged
    from llmrec.data.readers.relations import with_relations

    given = given_options(options)
    reading = reading_options(given)
    cleaning = _cleaning(**{name: value for name, value in given.items() if name not in reading})
    columns = _pairs("--column", column or [])
    name = name or out.resolve().name
    with steps_unlogged():
        if sql is None:
            data = Dataset.from_files(events, items=items, name=name, columns=columns, **reading, **cleaning)
        elif of_files := [name for name in reading if name != "explode"]:
            option = of_files[0].replace("_", "-")
            raise DataError(f"--{option} is for files; name a query's columns in the query")
        else:
            data = Dataset.from_sql(
                events, connection=sql, items=items, name=name, columns=columns, **reading, **cleaning
            )
    if relations is not None:
        data = replace(data, catalog=with_relations(data.catalog, relations))
    data.save(out)
    for step in data.steps:
        if step.removed:
            note = f" ({step.note})" if step.note else ""
            say(f"{step.name}: {step.removed:,} of {step.rows_in:,} {step.table} removed{note}")
        elif step.note:
            say(f"{step.name}: {step.note}")
    say(f"{out}: {data!r}")


declare_options(prepare, READING | _CLEANING)


def _cleaning(*, strength: Sequence[str] = (), **options: Any) -> CleaningOptions:
    return cast("CleaningOptions", options | ({"strengths": _numbers(strength)} if strength else {}))


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        ours, equals, theirs = text.partition("=")
        if not (ours and equals and theirs):
            raise DataError(f"{option} {text}: write two names with = between, e.g. {option} user_id=customer")
        pairs[ours] = theirs
    return pairs


def _numbers(given: Sequence[str]) -> dict[str, int]:
    pairs = _pairs("--strength", given)
    for behavior, strength in pairs.items():
        if not re.fullmatch(r"[-+]?\d{1,9}", strength):
            raise DataError(f"--strength {behavior}={strength}: that is no whole number; write for example like=2")
    return {behavior: int(strength) for behavior, strength in pairs.items()}
