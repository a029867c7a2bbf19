"""Changes on the disk, in their order: written means flushed, and every one is checked when it is read.

By SQLite with its rollback journal, not its write-ahead log: the file then holds every written change by itself,
where a log beside it that is damaged, or not copied along, loses the last ones without a word; what is erased is
nowhere; and it works on network drives.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from llmrec.errors import ArtifactError, EnvironmentFault, WriteConflict
from llmrec.resources.cache import replace_file
from llmrec.resources.locks import exclusive

FORMAT = 1
APPLICATION = 0x6C6C6D72  # tells these files from other programs' databases
WAIT = 30.0  # seconds for which another process may be writing
SCHEMA = (
    "CREATE TABLE journal (owner TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL)",
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, record TEXT NOT NULL, content BLOB NOT NULL, "
    "sha256 BLOB NOT NULL)",
)
# Commits survive a power cut; what is erased is overwritten; nothing in a stranger's file is run or trusted.
SETTINGS = (
    "PRAGMA synchronous = EXTRA",
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)


class Change(NamedTuple):
    """One change: its number, what it says (a JSON object), and the bytes that belong to it."""

    number: int
    record: dict[str, Any]
    content: bytes


class Journal:
    """The changes of one thing in the file ``path``, which is made by the first of them.

    ``owner``: the fingerprint of what they change. ``label``: what that is, for messages ("index"). ``replaced``:
    the fingerprint of what ``owner`` was made of, and the number of the last change that is made in it.
    Threads and processes may share the file; nothing is held open between calls.
    """

    def __init__(self, path: Path, *, owner: str, label: str, replaced: tuple[str, int] | None = None) -> None:
        self.path, self.owner, self.label, self.replaced = path, owner, label, replaced
        self._lock = threading.Lock()

    def append(self, record: Mapping[str, Any], content: bytes = b"", *, after: int | None = None) -> int:
        """Write one change and return its number; see ``extend``."""
        return self.extend([(record, content)], after=after)

    def extend(self, changes: Iterable[tuple[Mapping[str, Any], bytes]], *, after: int | None = None) -> int:
        """Write changes, all or none; they are on the disk when this returns the number of the last one, from 1.

        ``after``: the number of the last change that the caller knows (0: none). Raises WriteConflict where there
        are later ones or another process is writing, EnvironmentFault where the file cannot be written (a full
        disk), ArtifactError for a damaged file, one of another owner, and one of a newer format.
        """
        return self._write(changes, after=after, erase=False)

    def rewrite(
        self,
        changes: Iterable[tuple[Mapping[str, Any], bytes]],
        *,
        after: int | None = None,
        owner: Callable[[], str] | None = None,
    ) -> int:
        """Put changes in the place of all that are there, as ``extend``; no byte of these stays in the file.

        Numbers go on: none is given twice. ``owner`` is called while nobody else can write: it makes the changes
        where they belong, and returns the fingerprint of what came of it, the owner from now on.
        """
        return self._write(changes, after=after, erase=True, owner=owner)

    def replay(self, *, after: int = 0) -> list[Change]:
        """Return the changes of numbers above ``after`` in their order; none where there is no file.

        The whole file is checked. Raises ArtifactError for a damaged one, of another owner, or a newer format.
        """
        if not os.path.lexists(self.path):
            return []
        with self._lock, self._connected() as connection:
            connection.execute("BEGIN")
            faults = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
            if faults != ["ok"]:
                raise self._damaged(str(faults[0]))
            first, last = self._limits(connection)
            rows = connection.execute(  # all at once: a cursor that an error holds would keep the file locked
                "SELECT number, record, content, sha256 FROM changes WHERE number >= ? ORDER BY number", (first,)
            ).fetchall()
            changes = [self._change(row, number) for number, row in enumerate(rows, first)]
            if len(changes) != last - first + 1:
                raise self._damaged(f"it holds {len(changes)} of {last - first + 1} changes")
        return [change for change in changes if change.number > after]

    def last(self) -> int:
        """Return the number of the last change that was ever written; 0: there was none. Raises as ``replay``."""
        if not os.path.lexists(self.path):
            return 0
        with self._lock, self._connected() as connection:
            return self._limits(connection)[1]

    def remove(self) -> None:
        """Remove the file, and what an interrupted change left beside it."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)

    def _write(
        self,
        changes: Iterable[tuple[Mapping[str, Any], bytes]],
        *,
        after: int | None,
        erase: bool,
        owner: Callable[[], str] | None = None,
    ) -> int:
        texts = [
            (json.dumps(record, ensure_ascii=False, allow_nan=False), bytes(content))
            for record, content in changes
        ]
        with self._lock:
            if not os.path.lexists(self.path):
                self._create()
            with self._connected() as connection:
                connection.execute("BEGIN IMMEDIATE")
                first, last = self._limits(connection)
                if after is not None and last != after:
                    raise WriteConflict(
                        f"the {self.label} was changed by another process (change {last} in {self.path}, {after} "
                        f"here); open the {self.label} again"
                    )
                first = last + 1 if erase else first
                rows = [(n, *parts, _checksum(n, *parts)) for n, parts in enumerate(texts, last + 1)]
                connection.execute("DELETE FROM changes WHERE number < ?", (first,))
                connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?)", rows)
                fingerprint = self.owner if owner is None else owner()
                values = (fingerprint, first, last + len(rows))
                connection.execute("UPDATE journal SET owner = ?, first = ?, last = ?", values)
                connection.execute("COMMIT")
            self.owner = fingerprint
        return last + len(rows)

    def _create(self) -> None:
        """Write an empty journal whole or not at all, so that an empty file is a damaged one."""
        with closing(sqlite3.connect(":memory:")) as connection:
            for statement in (
                f"PRAGMA application_id = {APPLICATION}",
                f"PRAGMA user_version = {FORMAT}",
                *SCHEMA,
            ):
                connection.execute(statement)
            connection.execute("INSERT INTO journal VALUES (?, 1, 0)", (self.owner,))
            connection.commit()
            content = connection.serialize()
        with exclusive(self.path, wait=True):
            if not os.path.lexists(self.path):
                replace_file(self.path, content)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Open the file; a transaction that is not committed is undone. Turns SQLite's errors into ours."""
        try:
            uri = f"{self.path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)) as connection:
                for setting in SETTINGS:
                    connection.execute(setting)
                yield connection
        except sqlite3.OperationalError as error:
            code = error.sqlite_errorcode & 0xFF
            if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise WriteConflict(f"{self.path} is being written by another process; try again") from error
            if code == sqlite3.SQLITE_ERROR:  # a statement that does not fit the tables
                raise self._damaged(str(error)) from error
            raise EnvironmentFault(
                f"{self.path} cannot be read or written: {error}; free some space, or allow it, and try again"
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error

    def _limits(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Return the numbers of the first and the last change. Raises ArtifactError for any other file."""
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if application != APPLICATION:
            raise self._damaged("it is no journal of llmrec")
        if version > FORMAT:
            raise ArtifactError(f"{self.path} was written in format {version}: install a newer llmrec to read it")
        statements = tuple(row[0] for row in connection.execute("SELECT sql FROM sqlite_schema ORDER BY rowid"))
        rows = (
            connection.execute("SELECT owner, first, last FROM journal").fetchall() if statements == SCHEMA else []
        )
        if len(rows) != 1 or not all(isinstance(number, int) for number in rows[0][1:]):
            raise self._damaged("it has other tables")
        owner, first, last = rows[0]
        if self.replaced is not None and owner == self.replaced[0]:  # killed before it said that these are made
            first = min(max(first, self.replaced[1] + 1), last + 1)
        elif owner != self.owner:
            raise ArtifactError(
                f"{self.path} holds changes of another {self.label}; put it beside that one, or remove it to open "
                f"this {self.label} without changes"
            )
        return first, last

    def _change(self, row: tuple[Any, ...], number: int) -> Change:
        """Check one row. Raises ArtifactError."""
        stored, record, content, checksum = row
        try:
            values = json.loads(record)
            intact = stored == number and _checksum(number, record, content) == checksum
        except (TypeError, ValueError, RecursionError, AttributeError) as error:
            raise self._damaged(f"change {stored}: {' '.join(str(error).split())[:200]}") from error
        if not intact or not isinstance(values, dict):
            raise self._damaged(f"change {number} is not what was written")
        return Change(number, values, content)

    def _damaged(self, reason: str) -> ArtifactError:
        return ArtifactError(
            f"{self.path} is damaged ({' '.join(reason.split())}); restore it, or remove it to open the "
            f"{self.label} without the changes that it holds"
        )


def _checksum(number: int, record: str, content: bytes) -> bytes:
    return hashlib.sha256(b"%d\n%s\n%s" % (number, record.encode(), content)).digest()
