"""What a notebook shows of a value: its text, and a table below it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape

import polars as pl

from llmrec.printable import printable

# Rows of a table, and characters of a cell.
ROWS, LONGEST = 5, 80


class ShownAsTable(ABC):
    """A value with a table that says what is in it."""

    @abstractmethod
    def _shown(self) -> pl.DataFrame:
        """The table, of which the first rows are shown."""

    def _caption(self) -> str:
        """What stands above it."""
        return repr(self)

    def _repr_html_(self) -> str:
        table = self._shown()
        head = "".join(f"<th>{escape(printable(name, longest=LONGEST))}</th>" for name in table.columns)
        rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.head(ROWS).iter_rows())
        more = f"<p>and {table.height - ROWS:,} more</p>" if table.height > ROWS else ""
        drawn = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<p>{escape(self._caption())}</p>{drawn}{more}"


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return f"<td>{escape(printable(text, longest=LONGEST))}</td>"
