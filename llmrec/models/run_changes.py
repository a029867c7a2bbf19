"""The changes of a run's items: in a journal beside the run, and made again whenever the run is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import polars as pl

from llmrec.data import Catalog
from llmrec.data.catalog_changes import CatalogChange, added_items, removed_items, updated_items
from llmrec.data.columns import ITEM
from llmrec.data.readers.frames import is_table, to_polars
from llmrec.errors import DataError
from llmrec.models.changes import Changeable
from llmrec.models.forgetting import forget_users
from llmrec.models.run_files import read_items
from llmrec.retrieval.run_items import (
    ItemChange,
    changes_of,
    journal_of,
    read_changes,
    unfitting,
    write_change,
)


def _removed(catalog: Catalog, given: object) -> CatalogChange:
    """Remove the items of a table, or of ids as ``removed_items`` takes them."""
    if not is_table(given):
        return removed_items(catalog, cast("Iterable[str | int]", given))
    rows = to_polars(given, label="items")
    if ITEM not in rows.columns:
        raise DataError(f"items to remove: no column '{ITEM}' among {', '.join(rows.columns)}; rename one")
    return removed_items(catalog, rows[ITEM].to_list())


# What a change is called in the journal, and what makes it of a catalog and what was given: rows, of these or ids.
VERBS: dict[str, Callable[[Catalog, Any], CatalogChange]] = {
    "add": added_items,
    "update": updated_items,
    "remove": _removed,
}


class RunChanges:
    """The changes written beside a run, of which ``n_made`` are made in the model that writes more.

    The journal is the file ``RUN.changes``: copy it with the run. A change is on the disk when ``append`` returns.
    """

    def __init__(self, run: Path, *, n_made: int = 0) -> None:
        self.run, self.n_made = run.absolute(), n_made
        self.journal = journal_of(self.run)

    def append(self, verb: str, rows: pl.DataFrame) -> None:
        """Write one change. Raises as ``Journal.extend`` does, WriteConflict where another process wrote one."""
        self.n_made = write_change(self.journal, verb, rows, after=self.n_made)

    def forget(self, user_id: str) -> bool:
        """Remove a person from the run on the disk; whether anything was known there."""
        try:
            forget_users(self.run, [user_id])
        except DataError:
            return False
        return True

    def read(self, catalog: Catalog) -> CatalogChange | None:
        """Return all changes of the run's catalog as one, None where there are none.

        Raises ArtifactError for a damaged journal, one of another run, and one of a newer format.
        """
        made: CatalogChange | None = None
        for number, verb, rows in _joined(read_changes(self.journal)):
            try:
                change = VERBS[verb](catalog if made is None else made.catalog, rows)
            except DataError as error:
                raise unfitting(self.journal.path, number, error) from error
            made, self.n_made = change if made is None else made.then(change), number
        return made


def _joined(changes: Iterable[ItemChange]) -> Iterator[ItemChange]:
    """Yield changes of one verb in a row, of different items and the same columns, as one: each costs a copy."""
    together, ids = list[ItemChange](), set[str]()
    for change in changes:
        items = change.rows[ITEM].to_list()
        same = together and (change.verb, change.rows.schema) == (together[0].verb, together[0].rows.schema)
        if together and not (same and ids.isdisjoint(items)):
            yield _as_one(together)
            together, ids = [], set()
        together.append(change)
        ids.update(items)
    if together:
        yield _as_one(together)


def _as_one(changes: list[ItemChange]) -> ItemChange:
    return changes[-1]._replace(rows=pl.concat([change.rows for change in changes]))


def make_changes(model: Changeable, run: Path) -> None:
    """Make the changes that are written beside a run, where there are any. Raises as ``RunChanges.read`` does."""
    if changes_of(run).exists():
        changes = RunChanges(run)
        change = changes.read(model.catalog)
        model.n_changes = changes.n_made
        if change is not None:
            model.replay(change)


def changed_catalog(catalog: Catalog, run: Path) -> CatalogChange | None:
    """Return what became of a run's items since it was written, None where nothing changed; raises as above."""
    return RunChanges(run).read(catalog) if changes_of(run).exists() else None


def current_items(run: Path) -> Catalog:
    """Read a run's catalog, with the changes beside it; raises as ``read_items`` and ``RunChanges.read`` do."""
    catalog = read_items(run)
    change = changed_catalog(catalog, run)
    return catalog if change is None else change.catalog
