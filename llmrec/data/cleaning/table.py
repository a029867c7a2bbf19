"""A table in cleaning: its rows, what messages call it, and the record of what each step removed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import polars as pl

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One cleaning step: how many rows of which table it saw and removed, and why.

    ``note`` says what else is worth knowing, such as the mean that a column was scaled by.
    """

    name: str
    table: str
    rows_in: int
    removed: int
    note: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows, their ``label`` in messages (a file's name, say) and the steps so far. Cleaning returns new ones."""

    content: ClassVar[Literal["events", "items"]] = "items"

    frame: pl.DataFrame
    label: str
    steps: tuple[Step, ...] = ()

    def filter(self, mask: pl.Series, why: str, *, note: str = "") -> Self:
        """Keep the rows that ``mask`` marks; the record says how many went, and the log, if any did."""
        removed = self.frame.height - int(mask.sum())
        recorded = self.record(why, removed=removed, note=note)
        if not removed:
            return recorded
        level = logging.WARNING if self.content == "events" else logging.INFO
        shown = f"{why} ({note})" if note else why
        log.log(level, "%s: removed %d of %d rows: %s", self.content, removed, self.frame.height, shown)
        return recorded.with_frame(self.frame.filter(mask))

    def record(self, name: str, *, removed: int = 0, note: str = "") -> Self:
        """Write down a step that sees these rows."""
        step = Step(name, self.content, self.frame.height, removed, note)
        return replace(self, steps=(*self.steps, step))

    def with_frame(self, frame: pl.DataFrame) -> Self:
        """Return the same table with other rows or columns."""
        return replace(self, frame=frame)


@dataclass(frozen=True, eq=False, kw_only=True)
class EventTable(Table):
    """Events with ids as codes: ``users`` and ``items`` are the ids they stand for, sorted, distinct.

    With ``order_only`` the log has no times, or an order that somebody wrote as times.
    """

    content = "events"

    users: pl.Series
    items: pl.Series
    order_only: bool
