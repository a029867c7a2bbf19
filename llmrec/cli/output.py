"""Print tables: for people by default, as JSON with ``--json``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show(table: pl.DataFrame, *, as_json: bool) -> None:
    """Print a table."""
    if as_json:
        json.dump(table.to_dicts(), sys.stdout, ensure_ascii=False, indent=2)
        print()
        return
    drawn = Table(box=None, pad_edge=False)
    for name, kind in table.schema.items():
        drawn.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in table.iter_rows():
        # Text, not markup: a title such as "[red]" is a title.
        drawn.add_row(*(Text(_cell(value)) for value in row))
    Console().print(drawn)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return " ".join(str(value).split())
