"""How long something takes, as a process that gets little of a busy machine sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

TICK = 0.01


class Patience:
    """Counts the seconds of a block in ticks of a thread: while the machine runs others, it does not count on.

    So a bound on ``seconds`` is about waiting, not about how busy the machine is. ``limit``: seconds of the clock
    after which the block took too long in any case.
    """

    def __init__(self, *, limit: float = 60) -> None:
        self._limit, self._ending, self._n_ticks = limit, threading.Event(), 0
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Patience:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()
        if kind is None:
            assert time.monotonic() - self._began < self._limit

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return self._n_ticks * TICK

    def _count(self) -> None:
        while not self._ending.wait(TICK):
            self._n_ticks += 1


def waited_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition holds within so many seconds, counted as ``Patience`` does."""
    for _ in range(round(seconds / TICK)):
        if condition():
            return True
        time.sleep(TICK)
    return condition()
