"""Conditions on the rows of a table as users write them: compared as what the columns are, or refused by name."""

from __future__ import annotations

import polars as pl

from llmrec.data.cleaning.column_types import type_name
from llmrec.data.readers.numerals import written_as_numbers
from llmrec.errors import DataError

Condition = str | pl.Expr


def events_that_meet(
    condition: Condition, events: pl.DataFrame, *, label: str, purpose: str = "drop events where"
) -> pl.Series:
    """Mark the events that meet a condition; see ``rows_that_meet``."""
    return rows_that_meet(condition, events, label=label, purpose=purpose, row="an event")


def rows_that_meet(condition: Condition, table: pl.DataFrame, *, label: str, purpose: str, row: str) -> pl.Series:
    """Mark the rows that meet a condition; unknown (null) counts as not met.

    ``purpose``: what it is for, and ``row``: what a row is, as messages say it. Raises DataError for a condition
    that cannot be used, and for one that compares text with numbers.
    """
    try:
        expression = pl.sql_expr(condition) if isinstance(condition, str) else condition
        mixed = _mixed_comparison(expression, table.clear())
        if mixed is not None:
            raise DataError(f"{label}: cannot {purpose} {condition}: {_explained(*mixed, table)}")
        met = table.select(expression.alias("met")).to_series()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{label}: cannot {purpose} {condition}: {reason}; the columns are {', '.join(table.columns)}"
        ) from error
    if met.dtype != pl.Boolean or met.len() != table.height:
        raise DataError(f"{label}: '{condition}' is no condition on {row}; write for example price > 1000")
    return met.fill_null(False)


def require_condition(condition: object, label: str) -> None:
    """Raise DataError for what is neither text nor a polars expression."""
    if not isinstance(condition, str | pl.Expr):
        kind = type(condition).__name__
        raise DataError(f"{label}: a condition is text or a polars expression, not a {kind}; write 'rating >= 4'")


def columns_of(condition: Condition) -> list[str]:
    """Return the columns that a condition names; none where it cannot be read."""
    try:
        expression = pl.sql_expr(condition) if isinstance(condition, str) else condition
        return expression.meta.root_names()
    except pl.exceptions.PolarsError:
        return []


def _mixed_comparison(expression: pl.Expr, schema: pl.DataFrame) -> tuple[pl.Expr, pl.Expr] | None:
    """Return the two sides, text and number or boolean, of a comparison that polars would make as one of texts."""
    inputs = expression.meta.pop()
    for part in inputs:
        mixed = _mixed_comparison(part, schema)
        if mixed is not None:
            return mixed
    if len(inputs) != 2 or _kind(expression, schema) not in (pl.Boolean, None):
        return None
    kinds = [_kind(part, schema) for part in inputs]
    for text, number in ((0, 1), (1, 0)):
        kind = kinds[number]
        if kinds[text] == pl.String and kind is not None and (kind.is_numeric() or kind == pl.Boolean):
            return inputs[text], inputs[number]
    return None


def _kind(expression: pl.Expr, schema: pl.DataFrame) -> pl.DataType | None:
    """Return the type of an expression, of a list that of its members; None where it cannot be computed."""
    try:
        kind = schema.lazy().select(expression.alias("value")).collect_schema()["value"]
    except pl.exceptions.PolarsError:
        return None
    inner = kind.inner if isinstance(kind, pl.List) else kind
    return inner if isinstance(inner, pl.DataType) else inner()


def _explained(text: pl.Expr, number: pl.Expr, events: pl.DataFrame) -> str:
    names, columns = text.meta.root_names(), number.meta.root_names()
    if not names:
        column = columns[0] if columns else "the other side"
        kind = type_name(events.schema[column]) if columns else "number"
        if kind == "true/false":
            return f"{column} is true/false; write true or false without quotes"
        return f"{column} is a column of numbers ({kind}); write the number without quotes"
    boolean = _kind(number, events.clear()) == pl.Boolean
    cells = events[names[0]].cast(pl.String)
    others = cells.filter(cells.is_not_null() & cells.cast(pl.Float64, strict=False).is_null())
    if not boolean and not len(others):
        return f"{names[0]} is read as text, though each cell is a number: write CAST({names[0]} AS DOUBLE)"
    example = f" ({others[0]!r}, say)" if len(others) else ""
    marked = not boolean and len(others) > 0 and bool(written_as_numbers(others).all())
    more = "say its decimal mark with --decimal . or ," if marked else "compare it with text in quotes"
    kind = "true/false" if boolean else "a number"
    return f"{names[0]} is text{example}, not {kind}; {more}, or correct its cells"
