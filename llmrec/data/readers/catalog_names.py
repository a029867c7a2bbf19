"""Our names for a catalog's columns, chosen with a look at the log: its ids are called alike in both."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from llmrec.data.cleaning.table import RawLog, Table
from llmrec.data.columns import ITEM
from llmrec.data.readers.column_names import Columns, item_column, name_items
from llmrec.data.readers.frames import with_dotted_fields
from llmrec.data.readers.known_names import plain_name

log = logging.getLogger(__name__)


class NamedCatalog:
    """A catalog with our column names. Raises DataError for one without an id or a title column.

    ``table`` is named by its own columns until ``follow`` has seen the log's.
    """

    def __init__(self, items: Table, columns: Columns) -> None:
        self._raw = items.with_frame(with_dotted_fields(items.frame))
        self._columns = columns
        self.table = self._named(columns)

    @property
    def raw_columns(self) -> dict[str, Sequence[str]]:
        """The columns as they were, by the catalog's label."""
        return {self._raw.label: self._raw.frame.columns}

    def follow(self, raw: RawLog) -> None:
        """Take for ids the column that is called as the log's column of items, where another was taken.

        A catalog may have two numbers for an item, an ``id`` of its own and the ``sku`` that the log names.
        """
        names, theirs = self._raw.frame.columns, item_column(raw, self._columns)
        if theirs is None or ITEM in self._columns or ITEM in names:
            return
        alike = [
            name for name in names if plain_name(name) == plain_name(theirs) and name in self.table.frame.columns
        ]
        if alike:  # else it is what was taken, or a title
            log.info("%s: ids are in %s, as in the log", self._raw.label, alike[0])
            self.table = self._named({**self._columns, ITEM: alike[0]})

    def _named(self, columns: Columns) -> Table:
        return self._raw.with_frame(name_items(self._raw.frame, label=self._raw.label, columns=columns))
