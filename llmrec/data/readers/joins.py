"""Notice a log that lies in two tables, such as orders and what they hold, and say how to join them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmrec.data.columns import ITEM, USER
from llmrec.data.readers.column_names import Columns, event_columns
from llmrec.data.readers.headers import column_names_of
from llmrec.errors import DataError

_KINDS = {USER: "users", ITEM: "items"}
# So many files beside a log are looked at.
_MOST_FILES = 50


def refuse_half_logs(paths: Sequence[Path], names: Sequence[str], columns: Columns) -> None:
    """Raise DataError where a file lacks users or items that a file beside it has, by a column that both have.

    ``names``: the columns of the first of ``paths``, () where they are still to be read.
    """
    for path in paths:
        theirs = names or column_names_of(path)
        missing = [ours for ours in _KINDS if not event_columns(theirs, (ours,), columns)]
        if len(missing) != 1:
            continue
        for other in sorted(path.parent.iterdir())[:_MOST_FILES]:
            _refuse_if_joinable(path, theirs, missing[0], other, columns)


def _refuse_if_joinable(path: Path, names: Sequence[str], missing: str, other: Path, columns: Columns) -> None:
    beside = column_names_of(other) if other != path else []
    column = event_columns(beside, (missing,), columns).get(missing)
    of_items = event_columns(names, (USER, ITEM), columns).values()
    shared = [name for name in names if name in beside and name not in of_items]
    key = next((name for name in shared if name.lower().endswith(("id", "no", "number"))), None)
    if column is None or key is None:
        return
    raise DataError(
        f"{path.name} has no column of {_KINDS[missing]}, but {other.name} beside it has '{column}', and both "
        f"have '{key}': join them by a query, for example llmrec data prepare \"select * from '{path}' join "
        f"'{other}' using ({_quoted(key)})\" --sql duckdb:// --out DIR"
    )


def _quoted(name: str) -> str:
    """Write a column's name within a query that stands in a shell's double quotes."""
    return name if name.isidentifier() else f'\\"{name}\\"'
