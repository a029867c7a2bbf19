"""What reasons rest on and how they were worded, remembered until an item or what is known of users changes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

import polars as pl

from llmrec.serve.metrics import ServiceMetrics
from llmrec.serve.sessions import BoundedCache

V = TypeVar("V")

# Python's objects take about so many bytes for each letter of what they hold, written out.
_BYTES_A_LETTER = 4
# Reasons have a share of so much of a service's memory for caches.
REASON_SHARE = 16


class ReasonCache(Generic[V]):
    """Values of one kind (``what``) within about ``most_bytes``, for any threads; ``metrics`` counts hits."""

    def __init__(self, what: str, most_bytes: int, metrics: ServiceMetrics) -> None:
        self._what, self._sources, self._lock = what, metrics.reasons, threading.Lock()
        self._values: BoundedCache[V] = BoundedCache(most_bytes)
        self.generation = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> V | None:
        """Return a value; None where it is not here."""
        with self._lock:
            value = self._values.get(key)
        self._sources.labels(self._what, "model" if value is None else "memory").inc()
        return value

    def put(self, key: Hashable, value: V, generation: int) -> None:
        """Take a value that was computed in a ``generation``: one from before the last ``clear`` is not taken."""
        nbytes = _BYTES_A_LETTER * len(repr(value))
        with self._lock:
            if generation == self.generation:
                self._values.put(key, value, nbytes)

    def clear(self) -> None:
        """Forget all values, and what is being computed now."""
        with self._lock:
            self.generation += 1
            self._values.clear()


def key_of(events: pl.DataFrame) -> bytes:
    """Return what tells a history's events from others."""
    return hashlib.blake2b(repr((events.schema, events.rows())).encode(), digest_size=16).digest()
