"""Users' events in SQLite: on the disk before they are acknowledged, none there twice, read back by user."""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple

from llmrec.errors import DataError, EnvironmentFault
from llmrec.serve.event_file import connected, locked, transaction
from llmrec.serve.failures import BusyError

log = logging.getLogger(__name__)

GROUP = 256  # so many requests at most become one transaction
MOST_WAITING = 1024  # requests
INSERT = "INSERT INTO events (user_id, event_id, fields) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
SELECT = (
    "SELECT fields FROM events WHERE user_id = ? AND number >= (SELECT first FROM service) "
    "ORDER BY number DESC LIMIT ?"
)
# What to do with events that were taken for a run of other data: see ``EventStore.follow``.
NewData = Literal["refuse", "replay", "included"]


class Stored(NamedTuple):
    """How many events were written, and how many were there already by their ``event_id``."""

    accepted: int
    duplicates: int


class _Write(NamedTuple):
    rows: list[tuple[str, str | None, str]]
    future: Future[Stored]


class EventStore:
    """The events of the file ``path``, which one process at a time may serve.

    ``data``: the fingerprint of the data that the served run was fitted on, ``new_data``: see ``follow``. Raises
    DataError for a file of a run of other data, ArtifactError for a damaged one and no database of events,
    WriteConflict where another process serves it, EnvironmentFault where it cannot be written.
    """

    def __init__(self, path: Path, *, data: str, new_data: NewData = "refuse") -> None:
        self.path = path
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        with ExitStack() as opened:
            opened.enter_context(locked(path))
            self._writer, self._reader = (opened.enter_context(connected(path, data)) for _ in range(2))
            self.follow(data, new_data)
            self._opened = opened.pop_all()
        self._thread = threading.Thread(target=self._work, name="llmrec-events", daemon=True)
        self._thread.start()

    def add(self, user_id: str, events: Sequence[Mapping[str, Any]]) -> Future[Stored]:
        """Write a user's events, ``item_id`` and more, an ``event_id`` for what must not be written twice.

        The result is there when they are on the disk, all or none. Raises EnvironmentFault by the future where
        they cannot be written, as on a full disk, and BusyError where too many wait.
        """
        if self._writes.qsize() >= MOST_WAITING:
            raise BusyError(f"{MOST_WAITING} requests with events are waiting already; try again in a second")
        rows = []
        for event in events:
            fields = {name: value for name, value in event.items() if name != "event_id" and value is not None}
            rows.append((user_id, event.get("event_id"), json.dumps(fields, ensure_ascii=False)))
        future: Future[Stored] = Future()
        self._writes.put(_Write(rows, future))
        return future

    def of_user(self, user_id: str, *, most: int = 1000) -> list[dict[str, Any]]:
        """Return a user's newest events, oldest first."""
        try:
            with self._reading:
                rows = self._reader.execute(SELECT, (user_id, most)).fetchall()
        except sqlite3.Error as error:
            raise EnvironmentFault(f"the events cannot be read: {error}; try again later") from error
        return [json.loads(row[0]) for row in reversed(rows)]

    def forget(self, user_id: str) -> int:
        """Erase all events of a user from the disk, and return how many there were. Raises EnvironmentFault."""
        try:
            with self._writing:
                with transaction(self._writer):
                    n = self._writer.execute("DELETE FROM events WHERE user_id = ?", (user_id,)).rowcount
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor in the log beside the file
        except sqlite3.Error as error:
            raise EnvironmentFault(f"the events cannot be erased: {error}; try again later") from error
        return n

    def follow(self, data: str, new_data: NewData) -> None:
        """Belong to a run of other data from now on.

        ``refuse``: raise DataError. ``replay``: the events so far are not in the new run's data and stand at the
        end of its histories. ``included``: they are in it, and are not read any more.
        """
        with self._reading:
            stored = self._reader.execute("SELECT data FROM service").fetchone()[0]
            not_empty = self._reader.execute("SELECT EXISTS (SELECT 1 FROM events)").fetchone()[0]
        if stored == data:
            return
        if not_empty and new_data == "refuse":
            raise DataError(
                f"{self.path} holds events that were taken for a run of other data ({stored[:12]}, this run's is "
                f"{data[:12]}); name another file, or say new_data (--new-data): replay (they are not in the new "
                "run's data) or included (they are)"
            )
        first = "first" if new_data != "included" else "1 + (SELECT COALESCE(MAX(number), 0) FROM events)"
        with self._writing:
            self._writer.execute(f"UPDATE service SET data = ?, first = {first}", (data,))

    def close(self) -> None:
        """Write what was taken, and let go of the file."""
        self._writes.put(None)
        self._thread.join()
        self._opened.close()

    def _work(self) -> None:
        """Write one group of requests after the other, each in a transaction."""
        while True:
            first = self._writes.get()
            if first is None:
                return
            group, ending = [first], False
            while len(group) < GROUP and not self._writes.empty():
                write = self._writes.get()
                if write is None:
                    ending = True
                    break
                group.append(write)
            self._commit(group)
            if ending:
                return

    def _commit(self, group: list[_Write]) -> None:
        group = [write for write in group if write.future.set_running_or_notify_cancel()]
        try:
            stored = self._written(group)
        except sqlite3.Error as error:
            log.warning("%s: %s: %d requests with events are refused", self.path, error, len(group))
            fault = EnvironmentFault(f"the events were not taken: {error}; send them again later")
            for write in group:
                write.future.set_exception(fault)
            return
        for write, result in zip(group, stored, strict=True):
            write.future.set_result(result)

    def _written(self, group: list[_Write]) -> list[Stored]:
        stored = []
        with self._writing, transaction(self._writer) as connection:
            for write in group:
                accepted = sum(connection.execute(INSERT, row).rowcount for row in write.rows)
                stored.append(Stored(accepted, len(write.rows) - accepted))
        return stored
