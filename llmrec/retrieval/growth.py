"""An index while it changes: one change at a time, on the disk first, then seen by every search that begins."""

from __future__ import annotations

import logging
import threading
import time

import numpy as np

from llmrec.arrays import Int64s
from llmrec.errors import ArtifactError, DataError, LlmrecError
from llmrec.retrieval.building import index_added, index_changes, index_rows
from llmrec.retrieval.index_files import IndexFacts, Noun, Opened
from llmrec.retrieval.index_folder import IndexFolder
from llmrec.retrieval.kinds import memory_bytes
from llmrec.retrieval.list_searchers import LEAST_CODED
from llmrec.retrieval.row_changes import RowChange
from llmrec.retrieval.snapshot import Built, Snapshot

log = logging.getLogger(__name__)

# So many removed rows are no reason to build an index anew.
FEW_REMOVED = 1000
# To open an index is to make its changes again: its folder is written anew when it lacks so large a share of rows.
MOST_UNWRITTEN = 0.1
# Where all rows are indexed anew in more than this, it is said before.
LONG_SECONDS = 10.0


class GrowingRows:
    """The current snapshot of an index, and the changes that make the next one.

    Whoever has read ``snapshot`` may search it as long as needed. ``folder``: where changes are written first;
    None: they are in memory only.
    """

    def __init__(
        self, snapshot: Snapshot, facts: IndexFacts, noun: Noun, *, folder: IndexFolder | None = None
    ) -> None:
        self.snapshot, self.noun, self.folder = snapshot, noun, folder
        self.built_facts = facts
        self._lock = threading.RLock()
        self._rows_by_id: dict[str, int] = {}

    def copy(self) -> GrowingRows:
        """Return what is here now, in memory: changes of one do not reach the other."""
        with self._lock:
            return GrowingRows(self.snapshot.detached(), self.built_facts, self.noun)

    @property
    def facts(self) -> IndexFacts:
        """What the index is now: ``n`` and ``memory_bytes`` follow its changes, recall is that of the building."""
        facts, snapshot = self.built_facts, self.snapshot
        if not snapshot.changed and len(snapshot) == facts.n:
            return facts
        built = memory_bytes(facts.kind, snapshot.n_built, facts.width, bytes_per_item=facts.bytes_per_item)
        now = {"n": len(snapshot), "memory_bytes": built + snapshot.added_rows.nbytes}
        return facts.model_copy(update=now)

    def replay(self) -> None:
        """Make the changes that the folder's journal holds. Raises ArtifactError where they do not fit it."""
        folder = self.folder
        changes = folder.replay() if folder is not None else []
        for number, record, content in changes:
            try:
                change = RowChange.of_record(record, content, self.noun)
                self._require(change)
            except DataError as error:
                where = folder.journal.path if folder is not None else ""
                raise ArtifactError(
                    f"{where} is damaged (change {number}: {error}); restore it, or remove it to open the index "
                    "without the changes that it holds"
                ) from error
            self._apply(change)
        if folder is not None and changes:
            folder.n_added = self.snapshot.n_tail
            log.info("%s index: %d changes read; %d %ss", self.noun, len(changes), len(self.snapshot), self.noun)
            self._settle(on_disk=False)  # who only reads writes nothing: another process may be changing it

    def change(self, change: RowChange) -> None:
        """Make one change whole, or none of it.

        Raises DataError for ids and rows that do not fit; EnvironmentFault, WriteConflict and ArtifactError where
        it cannot be written.
        """
        with self._lock:
            self._require(change)
            if not change.ids:
                return
            if self.folder is not None:
                self.folder.append(*change.record())
                self.folder.n_added += 0 if change.rows is None else len(change.rows)
            self._apply(change)
            self._settle()

    def rebuild(self) -> None:
        """Index what is left anew, if anything has changed since it was built; as little of it as can be."""
        with self._lock:
            snapshot = self.snapshot
            if not snapshot.changed:
                return
            began, extended = time.monotonic(), None
            if self.noun == "item" or not len(snapshot.removed):  # centroids remember people who were removed
                extended = index_changes(snapshot, self.built_facts)
            built, facts = extended or self._built_anew()
            log.info(
                "%s index: %s as %s after %d rows were added and %d removed (%.1f s)",
                *(self.noun, "extended" if extended else "rebuilt", facts.kind),
                *(snapshot.n_tail, len(snapshot.removed), time.monotonic() - began),
            )
            self.snapshot, self.built_facts, self._rows_by_id = Snapshot.of(built), facts, {}

    def _built_anew(self) -> tuple[Built, IndexFacts]:
        """Index what is left; where that takes long it is said first, since changes wait for it."""
        snapshot, facts = self.snapshot, self.built_facts
        if facts.kind == "ivf-pq" and len(snapshot) < LEAST_CODED:
            facts = facts.model_copy(update={"kind": "flat", "effort": 0, "n_queries": 0})
        seconds = facts.seconds * len(snapshot) / facts.n
        if seconds > LONG_SECONDS:
            log.warning(
                "%s index: %s is built anew of %d rows, about %.0f s; changes wait for it, searches do not",
                *(self.noun, facts.kind, len(snapshot), seconds),
            )
        return index_rows(snapshot.rows(), snapshot.names.rechunk(), facts)

    def compact(self, *, on_disk: bool = True) -> None:
        """Index what is left anew, also on the disk where the index has a folder: nothing removed stays in it."""
        with self._lock:
            self.rebuild()
            if on_disk and self.folder is not None and self.folder.changed:
                searcher = self.folder.replace(self.opened)  # mapped into memory, as what is opened
                self.snapshot = Snapshot.of(Built(searcher, self.snapshot.built.names))
                log.info("%s index: written to %s without changes beside it", self.noun, self.folder.folder)

    def frozen(self) -> Opened:
        """Return what is here now, without changes: rebuilt if there were some."""
        with self._lock:
            self.rebuild()
            return self.opened

    @property
    def opened(self) -> Opened:
        """What was built last, as it is written."""
        return Opened(self.snapshot.built.searcher, self.snapshot.built.names, self.facts)

    def _require(self, change: RowChange) -> None:
        """Raise DataError unless a change can be made."""
        width, rows, n = self.built_facts.width, change.rows, len(self.snapshot)
        if rows is not None and rows.shape[1] != width:
            biased = int(self.built_facts.biased)
            raise DataError(
                f"a vector has {rows.shape[1] - biased} numbers, those of this index {width - biased}; give such"
            )
        known = self._numbers()
        wrong = next((name for name in change.ids if (name in known) == (change.action == "add")), None)
        if wrong is not None and change.action == "add":
            raise DataError(f"{self.noun} '{wrong}' is in this index already; update it, or leave it out")
        if wrong is not None:
            raise DataError(
                f"{self.noun} '{wrong}' is not in this index of {n} {self.noun}s; add it, or leave it out"
            )
        if change.action == "remove" and len(change.ids) == n:
            raise DataError(
                f"an index holds at least one {self.noun}, and these are all {n}; remove the index instead"
            )

    def _apply(self, change: RowChange) -> None:
        snapshot, numbers = self.snapshot, self._numbers()
        if change.action != "add":
            rows: Int64s = np.array([numbers.pop(name) for name in change.ids], dtype=np.int64)
            snapshot = snapshot.without(rows)
        if change.rows is not None:
            numbers.update(zip(change.ids, range(snapshot.n_rows, snapshot.n_rows + len(change.ids)), strict=True))
            snapshot = snapshot.added(change.rows, change.ids)
        self.snapshot = snapshot

    def _numbers(self) -> dict[str, int]:
        """Return the row number of each id that is left; read from the snapshot once after each building."""
        if not self._rows_by_id:
            left = self.snapshot.left
            rows = range(self.snapshot.n_rows) if left is None else np.flatnonzero(left).tolist()
            self._rows_by_id = dict(zip(self.snapshot.names.to_list(), rows, strict=True))
        return self._rows_by_id

    def _settle(self, *, on_disk: bool = True) -> None:
        """Index the added rows, or all that are left, once there are so many changes that it pays.

        The change is made already: where this cannot be done it is said, and tried again after the next one.
        """
        snapshot = self.snapshot
        try:
            searcher = snapshot.built.searcher
            pays = len(snapshot.removed) > max(FEW_REMOVED, searcher.most_removed * snapshot.n_rows)
            if not pays and snapshot.n_tail > searcher.most_added:
                unwritten = self.folder.n_added if on_disk and self.folder is not None else 0
                pays = unwritten > MOST_UNWRITTEN * snapshot.n_rows or not self._index_tail()
            if pays:
                self.compact(on_disk=on_disk)
        except (LlmrecError, MemoryError) as error:
            log.warning("%s index: it stays as it is beside its changes, not compacted: %s", self.noun, error)

    def _index_tail(self) -> bool:
        """Let the searcher take the added rows, if it can; removed ones stay numbered."""
        snapshot = self.snapshot
        extended = index_added(snapshot, self.built_facts)
        if extended is None:
            return False
        built, self.built_facts = extended
        log.info("%s index: %d added rows indexed", self.noun, snapshot.n_tail)
        whole = Snapshot.of(built)
        self.snapshot = whole.without(snapshot.removed) if len(snapshot.removed) else whole
        return True
