"""Read ratings, prices and quantities as numbers: cells that are none become blank, counted and said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from llmrec.data.cleaning.missing_words import without_missing_cells
from llmrec.data.cleaning.table import Step
from llmrec.data.readers.numerals import written_as_numbers
from llmrec.errors import DataError

# Where more of the cells are no numbers, the column holds something else, such as "cheap" or "PG-13".
_MOST_BAD = 0.5
_ACCEPTED = ", as --blank-bad-numbers says"
_STEP = "no numbers"
_SHOWN = 60


@dataclass(frozen=True, eq=False)
class NumberCells:
    """A column of numbers, or of text where most cells are none; ``note`` says which are none, "" if all are."""

    column: pl.Series
    note: str = ""


def read_numbers(column: pl.Series, *, label: str) -> NumberCells:
    """Read a column as Float64, null where a cell is missing or no finite number.

    Raises DataError for a cell such as 1,234, which is another number by another decimal mark.
    """
    present = column.is_not_null()
    numbers = column.cast(pl.Float64, strict=False)
    if column.dtype == pl.String and numbers.null_count() > column.null_count():
        written = without_missing_cells(column)
        numbers, present = written.cast(pl.Float64, strict=False), written.is_not_null()
    present &= ~numbers.is_nan().fill_null(False)
    numbers = numbers.fill_nan(None)
    bad = present & ~numbers.is_finite().fill_null(False)
    if not bad.any():
        return NumberCells(numbers)
    row = int(bad.arg_true()[0])
    if column.dtype == pl.String:
        unclear = bad & written_as_numbers(column)
        if unclear.any():
            row = int(unclear.arg_true()[0])
            raise DataError(
                f"{label}: {column.name} {column[row]!r} in data row {row + 1} is not a number; correct it, "
                "say --decimal . or , where that is its mark, or rename the column"
            )
    text = str(column[row])
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    count, of = int(bad.sum()), int(present.sum())
    note = f"{count:,} of {of:,} cells are no numbers, such as {shown!r} in data row {row + 1}"
    if column.dtype == pl.String and count > _MOST_BAD * of:
        return NumberCells(column.alias(f"{column.name}_text"), f"{note}: it is text, {column.name}_text")
    finite = pl.select(pl.when(~bad).then(numbers)).to_series().alias(column.name)
    return NumberCells(finite, f"{note}: read as blank")


def step_name(column: str, *, accepted: bool) -> str:
    """Name the cleaning step of a column with blanked cells; ``accepted``: the user says that they may be."""
    return f"{column}: {_STEP}{_ACCEPTED if accepted else ''}"


def require_numbers(steps: Iterable[Step], needs: Mapping[str, str], *, label: str) -> None:
    """Raise DataError where a needed column has cells that are no numbers. ``needs``: what needs it, by column."""
    notes = {step.name: step.note for step in steps}
    for column, what in needs.items():
        note = notes.get(step_name(column, accepted=False))
        if note is not None:
            raise DataError(
                f"{label}: {what} needs the column {column}, and {note}; correct these cells, or prepare the log "
                "with --blank-bad-numbers (blank_bad_numbers=True)"
            )
