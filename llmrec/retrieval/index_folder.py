"""The folder of an open index, and the journal of its changes beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmrec import artifact
from llmrec.resources.cache import sha256_of
from llmrec.resources.journal import Change, Journal
from llmrec.retrieval.index_files import Noun, Opened, journal_path, write_index
from llmrec.retrieval.searcher import Searcher
from llmrec.retrieval.searchers import SEARCHERS


class IndexFolder:
    """Where the changes of an index that was opened from ``folder`` are written before they are made.

    ``n_added``: how many rows were added since the folder was written.
    """

    def __init__(self, folder: Path, opened: Opened, noun: Noun) -> None:
        self.folder, self.noun = folder, noun
        replaced = None if opened.facts.replaces is None else (opened.facts.replaces, opened.facts.n_changes)
        path = journal_path(folder)
        self.journal = Journal(path, owner=opened.fingerprint, label="index", replaced=replaced)
        self.changed, self.n_added = False, 0
        self._number = 0

    def replay(self) -> list[Change]:
        """Return the changes since the folder was written. Raises ArtifactError."""
        self._number = self.journal.last()
        changes = self.journal.replay()
        if changes:
            self.changed, self._number = True, changes[-1].number
        return changes

    def append(self, record: dict[str, Any], content: bytes) -> None:
        """Write a change; it is on the disk when this returns. Raises as ``Journal.extend``."""
        self._number = self.journal.append(record, content, after=self._number)
        self.changed = True

    def replace(self, opened: Opened) -> Searcher:
        """Write the folder anew, whole or not at all, and empty the journal; return what was written, opened.

        Nobody else can write meanwhile. Raises as ``Journal.rewrite`` and ``write_index``.
        """
        facts = opened.facts.model_copy(update={"replaces": self.journal.owner, "n_changes": self._number})

        def write() -> str:
            write_index(self.folder, self.noun, opened._replace(facts=facts), replace=True)
            return sha256_of(self.folder / artifact.MANIFEST)

        self._number = self.journal.rewrite([], after=self._number, owner=write)
        self.changed, self.n_added = False, 0
        return SEARCHERS[facts.kind].open(self.folder, n=facts.n, effort=facts.effort)
