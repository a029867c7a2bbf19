"""Make events of rows that hold lists of items: histories in their order, baskets at their time."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import polars as pl

from llmrec.data.cleaning.table import RawLog
from llmrec.data.columns import ITEM, TIME, USER
from llmrec.data.readers.column_names import NONE, Columns, event_columns
from llmrec.data.readers.known_names import EVENTS
from llmrec.data.readers.list_cells import list_cells, look_like_lists
from llmrec.errors import DataError

log = logging.getLogger(__name__)

# The value of ``explode`` that leaves lists as they are.
AS_TEXT = "none"
_HISTORY = re.compile(r"hist|seq|list$|past|previous", re.IGNORECASE)
_ITEM_LIST = re.compile(
    r"^(item|product|news|movie|article)s?[_.]?(ids?)?[_.]?(list|seq|sequence|history)$|^history$"
)
_LABELED = r"^(.+)-([01])$"
_BASKETS = ("items", "products", "basket", "cart", "order_items", "line_items")
_SHOWN = 60
# No column of a log has these names.
_USER, _JOINED, _LENGTH, _LONGEST = "\x1fuser", "\x1fjoined", "\x1flength", "\x1flongest"


def list_columns(names: Sequence[str], *, columns: Columns = NONE, explode: str = "") -> list[str]:
    """Return which columns may hold lists of items, or of what belongs to each of them."""
    named = event_columns(names, tuple(EVENTS), columns)
    lists = list(named.values())
    baskets = [] if ITEM in named else [name for name in names if name.lower() in _BASKETS]
    return [*lists, *baskets, *([explode] if explode in names else [])]


def explode_items(table: RawLog, *, columns: Columns = NONE, explode: str = "") -> RawLog:
    """Return a log with one item a row, in the order of the lists; steps say what that removed and added.

    ``explode`` names the column of the lists, "none" leaves them. A column of ids that holds lists is exploded
    unasked; text that looks like lists is refused. Lists of equal lengths beside it belong to its items. Where
    lists are histories by their name, the time of a row is not that of its events: their order is taken. Raises
    DataError for ids that are bytes or objects.
    """
    raw, label = table.frame, table.label
    named = event_columns(raw.columns, tuple(EVENTS), columns)
    item, user = named.get(ITEM), named.get(USER)
    _refuse_objects(raw, [named[ours] for ours in (USER, ITEM) if ours in named and named[ours] != explode], label)
    if explode == AS_TEXT:
        return table
    if not explode:
        explode = _column_of_lists(raw, item, label)
        if not explode:
            _refuse_lists(raw, user, label)
            return table
    if explode not in raw.columns:
        raise DataError(f"--explode {explode}: {label} has no such column; it has {', '.join(raw.columns)}")
    table = table.with_frame(raw.with_columns(list_cells(raw[explode], label)))
    time = named.get(TIME) if named.get(TIME) != explode else None
    baskets = _holds_baskets(table.frame[explode])
    if baskets:
        table, time = _one_basket_a_row(table, explode, user=user), TIME
    timed = time is not None and isinstance(table.frame[time].dtype, pl.List)
    history = bool(_HISTORY.search(explode)) and not timed and not baskets
    if item is not None and item != explode and history:
        table = table.with_frame(_with_last(table.frame, explode, item))
        log.info("%s: %s is read as the event after each list of %s", label, item, explode)
    filled = (table.frame[explode].list.len() > 0).fill_null(False)
    if not filled.any():
        raise DataError(f"{label}: column '{explode}' holds no list with an item; name another with --explode")
    table = table.filter(filled, f"no item in its list of column {explode}")
    if history:
        table = _longest(table, user, explode)
        table = table.with_frame(table.frame.drop(time)) if time is not None else table
    order = "in the order of each list" if history or time is None else "those of a list at the time of its row"
    table = _one_a_row(table, explode, item=item, order="each at its time" if timed else order)
    _refuse_lists(table.frame, user, label)
    return table


def _with_last(raw: pl.DataFrame, explode: str, item: str) -> pl.DataFrame:
    """Append the item of each row to its list."""
    last = pl.concat_list(explode, pl.col(item).cast(pl.String))
    return raw.with_columns(pl.when(pl.col(item).is_null()).then(explode).otherwise(last).alias(explode))


def _expanded(table: RawLog, frame: pl.DataFrame, name: str, note: str) -> RawLog:
    """Record that ``frame`` has more rows, or fewer, as each of its lists is one."""
    more = frame.height - table.frame.height
    return table.record(name, added=more, note=note).with_frame(frame)


def _holds_baskets(column: pl.Series) -> bool:
    return isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.List)


def _one_basket_a_row(table: RawLog, explode: str, *, user: str | None) -> RawLog:
    """Return a row for each list within a list, numbered in their order, as baskets.

    Raises DataError where other columns may say when they were bought.
    """
    raw = table.frame
    others = [name for name in raw.columns if name not in (user, explode)]
    inner = raw[explode].dtype.inner.inner  # type: ignore[attr-defined]
    if others or inner.is_nested():
        first = str(raw[explode].drop_nulls().head(1).to_list())[1:-1]
        raise DataError(
            f"{table.label}: column '{explode}' holds lists of lists, such as {first[:_SHOWN]}; write a row for "
            f"each of them, with its time{', or leave out ' + ', '.join(others) if others else ''}"
        )
    baskets = raw.explode(explode).with_row_index(TIME).with_columns(pl.col(TIME).cast(pl.Int64))
    note = f"{raw.height:,} lists of column {explode} are {baskets.height:,} baskets, in their order"
    return _expanded(table, baskets, "lists of lists", note)


def _one_a_row(table: RawLog, explode: str, *, item: str | None, order: str) -> RawLog:
    frame = table.frame
    lengths = frame[explode].list.len()
    beside = [
        column.name
        for column in frame.get_columns()
        if isinstance(column.dtype, pl.List) and (column.list.len() == lengths).fill_null(False).all()
    ]
    rows = frame.explode(beside)
    kind, name = rows[explode].dtype, explode
    if isinstance(kind, pl.Struct):
        fields = [field.name for field in kind.fields]
        covered = {name: f"{name}_of_row" for name in fields if name in rows.columns and name != explode}
        rows = rows.rename(covered).unnest(explode)
    else:
        name = explode if item == explode else ITEM
        others = [column for column in (item, ITEM) if column in rows.columns and column != explode]
        rows = rows.drop(set(others)).rename({explode: name} if name != explode else {})
    note = f"{frame.height:,} lists of column {explode} are {rows.height:,} events, {order}"
    table = _expanded(table, rows, "lists of items", note)
    return table if isinstance(kind, pl.Struct) else _clicked(table, name)


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
    """Whether a column is one of lists, or its text looks so."""
    if isinstance(column.dtype, pl.List):
        return True
    if not isinstance(column.dtype, pl.String | pl.Enum):
        return False
    text = _names(column)
    if text.is_empty():
        return False
    return look_like_lists(text)


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


def _longest(table: RawLog, user: str | None, explode: str) -> RawLog:
    """Keep a user's last history where the earlier ones begin it, as where each row repeats what was before."""
    if user is None or not table.frame[user].is_duplicated().any():
        return table
    number = pl.int_range(pl.len())
    nobody = pl.col(user).cast(pl.String).str.strip_chars().fill_null("") == ""
    rows = table.frame.select(
        pl.when(nobody).then(-1 - number).otherwise(pl.col(user).rank("dense").cast(pl.Int64)).alias(_USER),
        (pl.col(explode).list.join("\x1f") + "\x1f").alias(_JOINED),
        pl.col(explode).list.len().alias(_LENGTH),
    )
    longest = pl.col(_JOINED).sort_by(_LENGTH, maintain_order=True).last().over(_USER)
    rows = rows.with_columns(longest.alias(_LONGEST))
    if not rows.select(pl.col(_LONGEST).str.starts_with(pl.col(_JOINED)).all()).item():
        raise DataError(
            f"{table.label}: column '{explode}' holds several histories of one user that do not continue each "
            "other; name the column of sessions as the user: --column user_id=NAME"
        )
    whole = rows.select(
        (pl.col(_JOINED) == pl.col(_LONGEST)) & (pl.col(_JOINED).is_first_distinct().over(_USER))
    ).to_series()
    return table.filter(whole, "start of a longer history of its user")


def _clicked(table: RawLog, name: str) -> RawLog:
    """Leave out items shown but not clicked, where each is written with -0 or -1 after it."""
    rows = table.frame
    if rows[name].dtype != pl.String or not rows[name].drop_nulls().str.contains(_LABELED).all():
        return table
    clicked = table.filter(rows[name].str.ends_with("-1").fill_null(False), "item shown, not clicked (-0)")
    return clicked.with_frame(clicked.frame.with_columns(pl.col(name).str.replace(_LABELED, "$1")))


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
