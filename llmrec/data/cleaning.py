"""Turn two raw tables into events and items that every later step can trust, saying what was removed."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Step:
    """One cleaning step: how many rows of which table it saw and removed, and why."""

    name: str
    table: str
    rows_in: int
    removed: int


@dataclass(frozen=True)
class Cleaned:
    """What ``clean`` returns: sorted events, the items they name, and the record of every step."""

    events: pl.DataFrame
    items: pl.DataFrame
    steps: tuple[Step, ...]
    order_only: bool


def clean(
    events: pl.DataFrame,
    items: pl.DataFrame | None,
    *,
    drop_unknown_items: bool = False,
    drop_items_without_text: bool = False,
) -> Cleaned:
    """Check and clean. Raises DataError with the option that would let the data pass."""
    raise NotImplementedError
