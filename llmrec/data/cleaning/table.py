"""A table in cleaning: its rows, what messages call it, and the record of what each step removed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import polars as pl

from llmrec.data.columns import TIME

log = logging.getLogger(__name__)


@contextmanager
def steps_unlogged() -> Iterator[None]:
    """Log no step: for a caller that prints all of them."""
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@dataclass(frozen=True)
class Step:
    """One cleaning step: how many rows of which table it saw, removed and added, and why.

    The next step of the table sees ``rows_in - removed + added`` rows. ``note`` says what else is worth knowing,
    such as the mean that a column was scaled by.
    """

    name: str
    table: str
    rows_in: int
    removed: int
    note: str = ""
    added: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """Rows, their ``label`` in messages (a file's name, say) and the steps so far. Cleaning returns new ones."""

    content: ClassVar[Literal["events", "items"]] = "items"

    frame: pl.DataFrame
    label: str
    steps: tuple[Step, ...] = ()

    def filter(self, mask: pl.Series, why: str, *, note: str = "") -> Self:
        """Keep the rows that ``mask`` marks; the record says how many went."""
        removed = self.frame.height - int(mask.sum())
        recorded = self.record(why, removed=removed, note=note)
        return recorded.with_frame(self.frame.filter(mask)) if removed else recorded

    def record(
        self, name: str, *, removed: int = 0, added: int = 0, note: str = "", level: int = logging.INFO
    ) -> Self:
        """Write down a step that sees these rows, and log it at ``level``; removed events are a warning."""
        step = Step(name, self.content, self.frame.height, removed, note, added)
        if removed:
            shown = f"{name} ({note})" if note else name
            level = logging.WARNING if self.content == "events" else logging.INFO
            log.log(level, "%s: removed %d of %d rows: %s", self.content, removed, step.rows_in, shown)
        elif note:
            log.log(level, "%s: %s: %s", self.label, name, note)
        return replace(self, steps=(*self.steps, step))

    def with_frame(self, frame: pl.DataFrame) -> Self:
        """Return the same table with other rows or columns."""
        return replace(self, frame=frame)


@dataclass(frozen=True, eq=False)
class RawLog(Table):
    """Events as a log has them.

    ``time_name`` is what the log calls its column of times, ``time_given`` whether somebody said so, and
    ``source_columns`` what it calls all of them, once they have our names.
    """

    content = "events"

    time_name: str = TIME
    time_given: bool = False
    source_columns: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class EventTable(Table):
    """Events with ids as codes: ``users`` and ``items`` are the ids they stand for, sorted, distinct.

    With ``order_only`` the log has no times, or an order that somebody wrote as times.
    """

    content = "events"

    users: pl.Series
    items: pl.Series
    order_only: bool
