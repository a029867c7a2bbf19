"""What changes a fitted recommender without training: items that come, change and go, people to be forgotten."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import polars as pl

from llmrec.data import Catalog, Histories
from llmrec.data.catalog_changes import CatalogChange, added_items, removed_items, updated_items
from llmrec.data.ids import id_of
from llmrec.errors import DataError
from llmrec.models.ranker import STEADY, Ranker

WEIGHTS_STAY = "may still hold what they learned of these people; fit again on data without them to remove it"
# One change at a time, of whatever model, and none while one is written; who recommends does not wait for it.
CHANGING = threading.RLock()


class ChangeLog(Protocol):
    """Where the changes of a model are written before they are made."""

    def append(self, verb: str, rows: pl.DataFrame) -> None:
        """Write one change of the catalog; it is on the disk when this returns."""

    def forget(self, user_id: str) -> bool:
        """Remove a person from the disk; whether anything was known there."""


class Changeable(Ranker):
    """A ranker that stores what it knows of items and of people, and takes changes of both.

    A change is made on a copy and swapped in whole: who recommends meanwhile is answered by what was before.
    Anything refused has changed nothing.
    """

    # What a ranker only has to show is stored: __init__, fit, load and changes set these.
    histories: Histories = Histories.of({})
    exclude_seen: bool = True
    metadata: dict[str, Any] = {}  # noqa: RUF012
    # Makes changes last: ``llmrec.load(run, journal=True)`` sets it.
    change_log: ChangeLog | None = None
    # The number of the last change in its run's journal that it has made.
    n_changes: int = 0
    _catalog: Catalog | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it was fitted or loaded."""
        return self._catalog is not None

    @property
    def catalog(self) -> Catalog:
        """The items that are ranked. Raises DataError before ``fit`` or ``load``."""
        if self._catalog is None:
            raise DataError(f"this {self.kind} model has not been fitted; call fit or llmrec.load first")
        return self._catalog

    @catalog.setter
    def catalog(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add_items(self, items: object) -> None:
        """Take in new items without training: they are recommended and read in histories at once.

        ``items`` is a table with ``item_id`` and ``title``; of its other columns those that the catalog has are
        used. Every model takes removed items back; models that score by text take new ones, too. Raises DataError
        for an empty table, an id that is there already or twice, an item without title, and new items where the
        model has no score for them: such a model is fitted again.
        """
        self._change_items("add", lambda catalog: added_items(catalog, items))

    def update_items(self, items: object) -> None:
        """Change columns of items, which filters and reasons read; a text that a model reads is encoded anew.

        ``items`` is a table with ``item_id`` and columns of the catalog; other columns and what was learned of
        the items stay. A removed item is back in the catalog. Raises DataError for an empty table, an unknown id
        or one that is there twice, a column that the catalog lacks, an empty title, and a value of another type.
        """
        self._change_items("update", lambda catalog: updated_items(catalog, items))

    def remove_items(self, item_ids: Iterable[str | int]) -> None:
        """Recommend items no more, nor as similar ones; histories that hold them are read as before.

        Raises DataError for no id, an id that is unknown, there twice or removed already, and where no item would
        be left.
        """
        self._change_items("remove", lambda catalog: removed_items(catalog, item_ids))

    def forget_user(self, user_id: str | int) -> None:
        """Remove what is stored of a person: the history, and what was computed of it; weights stay as they are.

        ``metadata["forgotten"]`` says how many were forgotten and when. Raises DataError for an unknown user.
        """
        user = id_of(user_id, label="user id")
        with CHANGING:
            log = self.change_log
            in_run = log is not None and log.forget(user)
            if user not in self.histories.user_ids:
                if not in_run:
                    raise DataError(f"user '{user}' is not among the {len(self.histories)} users that are known")
                return
            changed = self._copied()
            changed._forget(user)
            changed.metadata["forgotten"] = one_more_forgotten(self.metadata)
            self._swap(changed)

    def replay(self, change: CatalogChange) -> None:
        """Make a change of the catalog that was written earlier; see ``llmrec.models.run_changes``."""
        with CHANGING:
            self._swap(self._with_change(change))

    def check_change(self, change: CatalogChange) -> None:
        """Raise DataError for a change that the model cannot make. By default it has no score for new items."""
        if change.n_added:
            raise DataError(
                f"a {self.kind} model has no score for new items such as '{change.new_ids[0]}'; fit it again, or "
                "go on training it: llmrec fit RECIPE --continue RUN --data DIR"
            )

    def _take_change(self, change: CatalogChange) -> None:
        """Bring what is computed of items up to ``change.catalog``; no array of before is written to."""

    def _forget(self, user_id: str) -> None:
        """Remove what is stored of a person."""
        self.histories = self.histories.without(user_id)

    def _change_items(self, verb: str, change_of: Callable[[Catalog], CatalogChange]) -> None:
        with CHANGING:
            change = change_of(self.catalog)
            self.check_change(change)
            self.prepare()  # what is read when it is first needed is not read while the change is made
            changed = self._with_change(change)
            if self.change_log is not None:
                self.change_log.append(verb, change.given)
            self._swap(changed)

    def _with_change(self, change: CatalogChange) -> Self:
        """Return a copy that has made a change."""
        self.check_change(change)
        changed = self._copied()
        changed._take_change(change)
        changed.catalog = change.catalog
        if change.n_added:
            changed.metadata["added_items"] = self.metadata.get("added_items", 0) + change.n_added
        return changed

    def _copied(self) -> Self:
        copied = copy.copy(self)
        copied.metadata = dict(self.metadata)
        return copied

    def _swap(self, changed: Self) -> None:
        """Become ``changed`` at once."""
        with STEADY.alone():
            vars(self).update(vars(changed))


def one_more_forgotten(metadata: dict[str, Any], n: int = 1) -> dict[str, Any]:
    """Return what a manifest says of forgotten people: how many, when the last one was, what stays; not who."""
    earlier = metadata.get("forgotten", {}).get("users", 0)
    return {"users": earlier + n, "last": datetime.now(UTC).isoformat(timespec="seconds"), "weights": WEIGHTS_STAY}
