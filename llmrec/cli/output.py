"""Print: the one place that writes to the terminal, and nothing but printable text.

Tables are for people by default, JSON with ``--json``.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec.data.columns import TITLE
from llmrec.printable import printable, printable_json, printable_lines

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

# What a cell shows, so that a table takes no longer than its rows are many: a title, and anything else.
LONGEST_TITLE, LONGEST_CELL = 200, 2000
REMEMBERED_MESSAGES = 1000


def say(*lines: object, error: bool = False) -> None:
    """Print lines; with ``error`` to standard error, where what is no result belongs."""
    stream = sys.stderr if error else sys.stdout
    for line in lines:
        print(printable_lines(str(line)), file=stream, flush=True)


def show(table: pl.DataFrame, *, as_json: bool) -> None:
    """Print a table; long cells are cut, in JSON none is."""
    if as_json:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print(printable_json(table.to_dicts(), ascii_only=not unicode))
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for name, kind in table.schema.items():
        header = Text(printable(name))
        drawn.add_column(header, justify="right" if kind.is_numeric() else "left", overflow="fold")
    longest = [LONGEST_TITLE if name == TITLE else LONGEST_CELL for name in table.columns]
    for row in table.iter_rows():
        # Text, not markup: a title such as "[red]" is a title.
        drawn.add_row(*(Text(_cell(value, most)) for value, most in zip(row, longest, strict=True)))
    draw(drawn)


def draw(drawing: RenderableType) -> None:
    """Print something of rich's, whose texts are printable."""
    from rich.console import Console

    Console().print(drawing)


def _cell(value: object, longest: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return printable(str(value), longest=longest)


class PrintableFormatter(logging.Formatter):
    """Formats log records on one line each, tracebacks below, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's text."""
        text = super().format(record)
        return printable_lines(text) if record.exc_info or record.stack_info else printable(text)


class SaidOnce(logging.Filter):
    """Lets a message pass once: what is true of the data would be said again for every model."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, None] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this message was not yet said."""
        message = record.getMessage()
        is_new = message not in self._said
        self._said[message] = None
        if len(self._said) > REMEMBERED_MESSAGES:  # a service runs for months
            del self._said[next(iter(self._said))]
        return is_new


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that nobody caught, as Python does: a message may hold anything."""
    say("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"), error=True)
