"""A lock for many threads that read, or one that replaces what they read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Many threads hold it at once, or one has it alone; a thread that waits for that goes first.

    A thread may hold it several times over, but may not ask for it alone while it holds it.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._thread = threading.local()
        self._n_holding = 0
        self._n_waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Let nobody have the lock alone during the block."""
        depth = getattr(self._thread, "depth", 0)
        if not depth:
            with self._condition:
                self._condition.wait_for(lambda: not self._n_waiting)
                self._n_holding += 1
        self._thread.depth = depth + 1
        try:
            yield
        finally:
            self._thread.depth = depth
            if not depth:
                with self._condition:
                    self._n_holding -= 1
                    self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else holds the lock, and let nobody take it during the block."""
        with self._condition:
            self._n_waiting += 1
            try:
                self._condition.wait_for(lambda: not self._n_holding)
                yield
            finally:
                self._n_waiting -= 1
                self._condition.notify_all()
