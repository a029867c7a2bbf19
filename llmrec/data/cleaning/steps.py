"""The record of cleaning: which rows went at which step, and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass

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


def keep(
    table: pl.DataFrame, kept: pl.Series, why: str, name: str, steps: list[Step], *, note: str = ""
) -> pl.DataFrame:
    """Keep rows and write down how many went."""
    removed = table.height - int(kept.sum())
    steps.append(Step(why, name, table.height, removed, note))
    if removed:
        level = logging.WARNING if name == "events" else logging.INFO
        log.log(level, "%s: removed %d of %d rows: %s", name, removed, table.height, why)
        return table.filter(kept)
    return table
