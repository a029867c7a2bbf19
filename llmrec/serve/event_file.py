"""The SQLite file of a service's events: made whole, checked, and served by one process at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from llmrec.errors import ArtifactError, EnvironmentFault, WriteConflict

FORMAT = 1
APPLICATION = 0x6C6C6576  # tells these files from other programs' databases
SCHEMA = (
    "CREATE TABLE service (data TEXT NOT NULL, first INTEGER NOT NULL)",
    "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, event_id TEXT, "
    "fields TEXT NOT NULL)",
    "CREATE INDEX by_user ON events (user_id, number)",
    "CREATE UNIQUE INDEX once ON events (user_id, event_id) WHERE event_id IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
# Commits survive a power cut; what is erased is overwritten; nothing in a stranger's file is trusted.
SETTINGS = ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "trusted_schema = OFF")


MAGIC = b"SQLite format 3\0"


def connected(path: Path, data: str) -> closing[sqlite3.Connection]:
    """Open the file, made for a run of ``data`` if it is not there. Raises EnvironmentFault and ArtifactError."""
    try:
        _check_head(path)
        with ExitStack() as opened:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            opened.callback(connection.close)
            _prepare(connection, data)
            opened.pop_all()
    except (sqlite3.OperationalError, OSError) as error:
        raise EnvironmentFault(f"{path}: {error}; name a file that can be written") from error
    except (sqlite3.DatabaseError, ValueError) as error:
        raise ArtifactError(f"{path} holds no events of llmrec ({error}); name another file") from error
    return closing(connection)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let no other process serve the file meanwhile; the system lets go of it when this one is killed."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WriteConflict(f"{path} is served by another process; name another file with --events") from error
    except OSError as error:
        raise EnvironmentFault(f"cannot write in {path.parent}: {error.strerror}; name another file") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit what a block writes, or undo all of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_head(path: Path) -> None:
    """Raise ValueError for a file that is no database: SQLite takes a short one for an empty one, and fills it."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it is no database")


def _prepare(connection: sqlite3.Connection, data: str) -> None:
    """Make a new file a store of events, or check that it is one. Raises ValueError."""
    application, version, tables = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT COUNT(*) FROM sqlite_schema")
    )
    if tables and application != APPLICATION:
        raise ValueError("it is another program's database")
    if version > FORMAT:
        raise ValueError(f"it is of format {version}, of a newer llmrec")
    for setting in SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    if not tables:
        with transaction(connection):
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO service VALUES (?, 1)", (data,))
    connection.execute("SELECT number, user_id, event_id, fields FROM events LIMIT 1").fetchall()
