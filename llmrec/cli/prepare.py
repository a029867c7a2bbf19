"""``llmrec data prepare``: any event log in, checked and cleaned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from llmrec.errors import DataError

_CLEANING = "Cleaning"
_REFUSED = "Where data is refused"


def _flag(help: str, panel: str = _CLEANING) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=help, rich_help_panel=panel)
    return option


Events = Annotated[str, typer.Argument(help="The event log: a file, a folder, or a query with --sql.")]
Out = Annotated[Path, typer.Option("--out", help="The folder to write.")]
Items = Annotated[
    str | None, typer.Option("--items", help="The catalog: item_id, title, ...; a query with --sql.")
]
Sql = Annotated[
    str | None,
    typer.Option("--sql", metavar="CONNECTION", help="Read by query, e.g. duckdb:///shop.db, sqlite:///shop.db."),
]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="OURS=THEIRS", help="Name a column instead of guessing: user_id=customer."),
]
Header = Annotated[
    str | None,
    typer.Option(
        "--header", metavar="NAME,NAME,...", help="Names of the columns of a CSV log that has no header."
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--drop-where", metavar="SQL", help='Drop events that meet it: "price > 1000".', rich_help_panel=_CLEANING
    ),
]
Strength = Annotated[
    list[str] | None,
    typer.Option(
        "--strength",
        metavar="BEHAVIOR=N",
        help="How strong a behavior is: 1 view to 4 purchase.",
        rich_help_panel=_CLEANING,
    ),
]
Scale = Annotated[
    list[str] | None,
    typer.Option(
        "--scale", metavar="COLUMN", help="Add COLUMN_scaled: mean 0, deviation 1.", rich_help_panel=_CLEANING
    ),
]


def prepare(
    events: Events,
    out: Out,
    items: Items = None,
    sql: Sql = None,
    column: Column = None,
    header: Header = None,
    drop_unknown_items: Annotated[bool, _flag("Drop events whose item is not in the catalog.", _REFUSED)] = False,
    drop_items_without_text: Annotated[bool, _flag("Drop items that have no title.", _REFUSED)] = False,
    drop_bad_times: Annotated[bool, _flag("Drop events whose time cannot be read.", _REFUSED)] = False,
    drop_further_item_rows: Annotated[
        bool, _flag("Keep the first of an item's rows that differ.", _REFUSED)
    ] = False,
    keep_unseen_items: Annotated[bool, _flag("Keep items that no event names.")] = False,
    drop_impossible: Annotated[bool, _flag("Drop future times and negative prices that are no return.")] = False,
    drop_repeats: Annotated[bool, _flag("Drop an event that equals the user's event before it.")] = False,
    drop_where: Where = None,
    max_events_per_hour: Annotated[int | None, _flag("Drop users who were ever faster: bots.")] = None,
    min_user_events: Annotated[int, _flag("Drop users with fewer events; with --min-item-events a k-core.")] = 0,
    min_item_events: Annotated[int, _flag("Drop items with fewer events.")] = 0,
    scale: Scale = None,
    strength: Strength = None,
) -> None:
    """Check and clean an event log; every step says what it removed.

    Reads CSV, TSV, JSON lines, Parquet files and folders, MovieLens, Amazon Reviews and RecBole files, also
    packed (.gz, .zst). Columns are found by well-known names, and the mapping is printed. Without --items the
    catalog comes from the folder or from the log itself.
    """
    from llmrec.data import Dataset
    from llmrec.data.cleaning.pipeline import CleaningOptions

    options = CleaningOptions(
        drop_unknown_items=drop_unknown_items,
        drop_items_without_text=drop_items_without_text,
        drop_bad_times=drop_bad_times,
        drop_further_item_rows=drop_further_item_rows,
        keep_unseen_items=keep_unseen_items,
        drop_impossible=drop_impossible,
        drop_repeats=drop_repeats,
        drop_where=drop_where or [],
        max_events_per_hour=max_events_per_hour,
        min_user_events=min_user_events,
        min_item_events=min_item_events,
        scale=scale or [],
        strengths=_numbers(strength or []),
    )
    columns = _pairs("--column", column or [])
    if sql is None:
        data = Dataset.from_files(events, items=items, columns=columns, header=_listed(header), **options)
    elif header is not None:
        raise DataError("--header is for CSV files; name a query's columns in the query")
    else:
        data = Dataset.from_sql(events, connection=sql, items=items, name=out.name, columns=columns, **options)
    data.save(out)
    for step in data.steps:
        if step.removed or step.note:
            note = f" ({step.note})" if step.note else ""
            print(f"{step.name}: {step.removed:,} of {step.rows_in:,} {step.table} removed{note}")
    print(f"{out}: {data!r}")


def _listed(header: str | None) -> list[str]:
    names = [] if header is None else header.split(",")
    if any(not name.strip() for name in names):
        raise DataError(
            f"--header {header}: a name is empty; write for example --header user_id,item_id,timestamp"
        )
    return names


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
    try:
        return {behavior: int(strength) for behavior, strength in pairs.items()}
    except ValueError as error:
        raise DataError(f"--strength: {error}; write for example --strength like=2") from error
