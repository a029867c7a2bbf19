"""Make events of rows that hold lists of items: histories in their order, baskets at their time."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Sequence

import polars as pl

from llmrec.data.columns import ITEM, TIME, USER
from llmrec.data.readers.column_names import EVENTS, NONE, Columns, event_columns
from llmrec.errors import DataError

log = logging.getLogger(__name__)

# The value of ``explode`` that leaves lists as they are.
AS_TEXT = "none"
_HISTORY = re.compile(r"hist|seq|list$|past|previous", re.IGNORECASE)
_ITEM_LIST = re.compile(
    r"^(item|product|news|movie|article)s?[_.]?(ids?)?[_.]?(list|seq|sequence|history)$|^history$"
)
# Ids as codes: some digits, few letters. Titles with blanks are no lists of them.
_CODES = r"^[A-Za-z]{0,4}[-_]?\d+(?:-[01])?(?:\s+[A-Za-z]{0,4}[-_]?\d+(?:-[01])?)+$"
_LABELED = r"^(.+)-([01])$"
_BASKETS = ("items", "products", "basket", "cart", "order_items", "line_items")
_SEPARATORS = ("|", ";", ",")
_SHOWN = 60
# No column of a log has these names.
_JOINED, _LONGEST = "\x1fjoined", "\x1flongest"


def list_columns(names: Sequence[str], *, columns: Columns = NONE, explode: str = "") -> list[str]:
    """Return which columns may hold lists of items, or of what belongs to each of them."""
    named = event_columns(names, tuple(EVENTS), columns)
    lists = list(named.values())
    baskets = [] if ITEM in named else [name for name in names if name.lower() in _BASKETS]
    return [*lists, *baskets, *([explode] if explode in names else [])]


def explode_items(raw: pl.DataFrame, *, label: str, columns: Columns = NONE, explode: str = "") -> pl.DataFrame:
    """Return a log with one item a row, in the order of the lists.

    ``explode`` names the column of the lists, "none" leaves them. A column of ids that holds lists is exploded
    unasked; text that looks like lists is refused. Lists of equal lengths beside it belong to its items. Where
    lists are histories by their name, the time of a row is not that of its events: their order is taken. Raises
    DataError for ids that are bytes or objects.
    """
    named = event_columns(raw.columns, tuple(EVENTS), columns)
    item, user = named.get(ITEM), named.get(USER)
    _refuse_objects(raw, [named[ours] for ours in (USER, ITEM) if ours in named and named[ours] != explode], label)
    if explode == AS_TEXT:
        return raw
    if not explode:
        explode = _column_of_lists(raw, item, label)
        if not explode:
            _refuse_lists(raw, user, label)
            return raw
    if explode not in raw.columns:
        raise DataError(f"--explode {explode}: {label} has no such column; it has {', '.join(raw.columns)}")
    raw = raw.with_columns(_lists(raw[explode], label))
    time = named.get(TIME) if named.get(TIME) != explode else None
    baskets = _holds_baskets(raw[explode])
    if baskets:
        raw, time = _one_basket_a_row(raw, explode, user=user, label=label), TIME
    timed = time is not None and isinstance(raw[time].dtype, pl.List)
    history = bool(_HISTORY.search(explode)) and not timed and not baskets
    table = raw
    if item is not None and item != explode and history:
        last = pl.concat_list(explode, pl.col(item).cast(pl.String))
        table = table.with_columns(pl.when(pl.col(item).is_null()).then(explode).otherwise(last).alias(explode))
        log.info("%s: %s is read as the event after each list of %s", label, item, explode)
    if history:
        table = _longest(table, user, explode, label)
        table = table.drop(time) if time is not None else table
    order = "in the order of each list" if history or time is None else "those of a list at the time of its row"
    rows = _one_a_row(table, explode, label=label, item=item, order="each at its time" if timed else order)
    _refuse_lists(rows, user, label)
    return rows


def _holds_baskets(column: pl.Series) -> bool:
    return isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.List)


def _one_basket_a_row(raw: pl.DataFrame, explode: str, *, user: str | None, label: str) -> pl.DataFrame:
    """Return a row for each list within a list, numbered in their order, as baskets.

    Raises DataError where other columns may say when they were bought.
    """
    others = [name for name in raw.columns if name not in (user, explode)]
    inner = raw[explode].dtype.inner.inner  # type: ignore[attr-defined]
    if others or inner.is_nested():
        first = str(raw[explode].drop_nulls().head(1).to_list())[1:-1]
        raise DataError(
            f"{label}: column '{explode}' holds lists of lists, such as {first[:_SHOWN]}; write a row for each "
            f"of them, with its time{', or leave out ' + ', '.join(others) if others else ''}"
        )
    log.info("%s: each list within a list of column %s is a basket, in their order", label, explode)
    return raw.explode(explode).with_row_index(TIME).with_columns(pl.col(TIME).cast(pl.Int64))


def _one_a_row(table: pl.DataFrame, explode: str, *, label: str, item: str | None, order: str) -> pl.DataFrame:
    n_rows = table.height
    table = table.filter((pl.col(explode).list.len() > 0).fill_null(False))
    if table.is_empty():
        raise DataError(f"{label}: column '{explode}' holds no list with an item; name another with --explode")
    lengths = table[explode].list.len()
    beside = [
        column.name
        for column in table.get_columns()
        if isinstance(column.dtype, pl.List) and (column.list.len() == lengths).fill_null(False).all()
    ]
    lists, rows = table.height, table.explode(beside)
    kind = rows[explode].dtype
    if isinstance(kind, pl.Struct):
        fields = [field.name for field in kind.fields]
        covered = {name: f"{name}_of_row" for name in fields if name in rows.columns and name != explode}
        rows = rows.rename(covered).unnest(explode)
    else:
        name = explode if item == explode else ITEM
        others = [column for column in (item, ITEM) if column in rows.columns and column != explode]
        rows = rows.drop(set(others)).rename({explode: name} if name != explode else {})
        rows = _clicked(rows, name, label)
    empty = f"; {n_rows - lists} rows have no item and are left out" if n_rows > lists else ""
    log.info(
        "%s: %d lists of column %s are read as %d events, %s%s", label, lists, explode, rows.height, order, empty
    )
    return rows


def _column_of_lists(raw: pl.DataFrame, item: str | None, label: str) -> str:
    """Return the column of ids where it holds lists, "" where none does. Raises DataError where it may."""
    for name in raw.columns:
        if name != item and _ITEM_LIST.search(name.lower()) and _holds_lists(raw[name]):
            raise _unclear(raw, name, label)
    if item is None:
        baskets = [name for name in raw.columns if name.lower() in _BASKETS]
        nested = [*baskets, *(name for name, kind in raw.schema.items() if isinstance(kind, pl.List))]
        if nested:
            raise _unclear(raw, nested[0], label)
        return ""
    if isinstance(raw[item].dtype, pl.List):
        return item
    if _holds_lists(raw[item]):
        raise _unclear(raw, item, label)
    return ""


def _holds_lists(column: pl.Series) -> bool:
    """Whether a column is one of lists, or its text looks so: in brackets, or several codes in most cells."""
    if isinstance(column.dtype, pl.List):
        return True
    if not isinstance(column.dtype, pl.String | pl.Enum):
        return False
    text = _names(column)
    if text.is_empty():
        return False
    several = text.str.contains(_CODES)
    single = text.str.contains(r"^\S+$")
    lists = text.str.contains(r"^\[.*\]$").all()
    return bool(lists or ((several.mean() or 0) >= 0.5 and (several | single).all()))  # type: ignore[operator]


def _names(column: pl.Series) -> pl.Series:
    """Return the different cells that are not blank."""
    text = column.dtype.categories if isinstance(column.dtype, pl.Enum) else column.drop_nulls().unique()
    return text.str.strip_chars().filter(text.str.strip_chars() != "")


def _unclear(raw: pl.DataFrame, name: str, label: str) -> DataError:
    first = raw[name].drop_nulls().head(1).to_list()
    shown = str(first[0] if first else "")
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return DataError(
        f"{label}: column '{name}' holds lists, such as {shown!r}; pass --explode {name} (explode={name!r}) to "
        "read an event from each item, or --explode none to leave them as they are"
    )


def _lists(column: pl.Series, label: str) -> pl.Series:
    """Return a column of lists: as they are, or from text with brackets or with marks or blanks between items."""
    if isinstance(column.dtype, pl.List):
        plain = column.dtype.inner
        if isinstance(plain, pl.List):
            return column if plain.inner.is_nested() else column.cast(pl.List(pl.List(pl.String)))
        return column if isinstance(plain, pl.Struct) else column.cast(pl.List(pl.String))
    text = column.cast(pl.String).str.strip_chars()
    present = text.filter((text != "").fill_null(False))
    if present.str.starts_with("[").all() and not present.is_empty():
        values = [
            None if cell is None else _parsed(cell, row, column.name, label) for row, cell in enumerate(text)
        ]
        return pl.Series(column.name, values, strict=False)
    mark = next((mark for mark in _SEPARATORS if present.str.contains(mark, literal=True).any()), None)
    if mark is None:
        return text.str.extract_all(r"\S+")
    return (
        text.str.split(mark)
        .list.eval(pl.element().str.strip_chars())
        .list.eval(pl.element().filter(pl.element() != ""))
    )


def _parsed(cell: str, row: int, name: str, label: str) -> list[object] | None:
    if not cell:
        return None
    try:
        values = json.loads(cell)
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(cell) if len(cell) < 1 << 20 else None
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            values = None
    if isinstance(values, list) and values and all(isinstance(value, list) for value in values):
        return [[str(inner) for inner in value] for value in values]
    if not isinstance(values, list) or not all(isinstance(value, str | int | float | dict) for value in values):
        raise DataError(f"{label}: {name} in data row {row + 1} is no list: {cell[:_SHOWN]!r}; correct it")
    if any(isinstance(value, dict) for value in values):
        return [_flat_object(value) for value in values if isinstance(value, dict)]
    return [str(value) for value in values]


def _flat_object(fields: dict[str, object]) -> dict[str, str]:
    """Return the plain fields of an object, as text."""
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int | float)}


def _longest(table: pl.DataFrame, user: str | None, explode: str, label: str) -> pl.DataFrame:
    """Keep a user's last history where the earlier ones begin it, as where each row repeats what was before."""
    if user is None or not table[user].is_duplicated().any():
        return table
    joined = pl.col(explode).list.join("\x1f") + "\x1f"
    rows = table.with_columns(joined.alias(_JOINED))
    rows = rows.filter(pl.col(_JOINED).is_not_null())
    longest = pl.col(_JOINED).sort_by(pl.col(explode).list.len(), maintain_order=True).last().over(user)
    rows = rows.with_columns(longest.alias(_LONGEST))
    if not rows.select(pl.col(_LONGEST).str.starts_with(pl.col(_JOINED)).all()).item():
        raise DataError(
            f"{label}: column '{explode}' holds several histories of one user that do not continue each other; "
            "name the column of sessions as the user: --column user_id=NAME"
        )
    unique = rows.filter(pl.col(_JOINED) == pl.col(_LONGEST)).unique(user, keep="first", maintain_order=True)
    log.info("%s: %d rows hold the start of a longer history of their user", label, rows.height - unique.height)
    return unique.drop(_JOINED, _LONGEST)


def _clicked(rows: pl.DataFrame, name: str, label: str) -> pl.DataFrame:
    """Leave out items shown but not clicked, where each is written with -0 or -1 after it."""
    if rows[name].dtype != pl.String or not rows[name].drop_nulls().str.contains(_LABELED).all():
        return rows
    clicked = rows.filter(pl.col(name).str.ends_with("-1"))
    log.info(
        "%s: %d of %d items were not clicked (-0) and are left out",
        label,
        rows.height - clicked.height,
        rows.height,
    )
    return clicked.with_columns(pl.col(name).str.replace(_LABELED, "$1"))


def _refuse_lists(raw: pl.DataFrame, user: str | None, label: str) -> None:
    """Stop at several users in one cell: an event is one user's."""
    if user is None:
        return
    column = raw[user]
    several = isinstance(column.dtype, pl.List)
    if isinstance(column.dtype, pl.String | pl.Enum):
        names = _names(column)
        several = len(names) > 0 and bool(names.str.contains(r"^\[.*\]$").all())
    if several:
        first = column.drop_nulls().head(1).to_list()
        raise DataError(
            f"{label}: column '{user}' holds lists, such as {str(first[0])[:_SHOWN]!r}; an event is one user's: "
            "write a row for each user, or name another with --column user_id=NAME"
        )


def _refuse_objects(raw: pl.DataFrame, names: Sequence[str], label: str) -> None:
    for name in names:
        kind = raw[name].dtype
        if isinstance(kind, pl.Binary | pl.Object | pl.Struct | pl.Array):
            held = "bytes" if isinstance(kind, pl.Binary) else "objects"
            first = raw[name].drop_nulls().head(1).to_list()
            shown = repr(first[0])[:_SHOWN] if first else "nothing"
            raise DataError(
                f"{label}: column '{name}' holds {held}, such as {shown}, no ids; write its ids as text"
            )
