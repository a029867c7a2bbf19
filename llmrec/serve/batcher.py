"""The one thread that owns the model: queries that wait together are answered by one call of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeVar

from llmrec.serve.failures import BusyError, StoppingError
from llmrec.serve.metrics import ServiceMetrics

log = logging.getLogger(__name__)

WAITED_SHARE = 0.1

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")


class _Waiting(NamedTuple):
    query: Any
    future: Future[Any]
    arrived: float


class _Job(NamedTuple):
    function: Callable[[], Any]
    future: Future[Any]


class Batcher(Generic[Q, A]):
    """Answers queries in batches, and runs other jobs of the model between them, on one thread.

    Between two batches there is one job, and as many more as begin within the time of the last batch.

    A batch begins when ``most`` queries are there, when none came for ``wait`` seconds, or the first has waited so
    long; where batches take long, larger ones are worth it: a tenth of what the last took is waited more, while
    they come. ``most=1``: each alone. ``queue`` bounds what waits. ``answer`` returns for each query its answer or
    the exception that it raised.
    """

    def __init__(
        self,
        answer: Callable[[list[Q]], Sequence[A | BaseException]],
        *,
        most: int,
        wait: float,
        queue: int,
        metrics: ServiceMetrics,
    ) -> None:
        self._answer, self._most, self._wait, self._queue = answer, most, wait, queue
        self._batch_sizes = metrics.batch_sizes
        self._queries: deque[_Waiting] = deque()
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing, self._last_seconds = False, 0.0
        self._thread = threading.Thread(target=self._work, name="llmrec-model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it takes queries."""
        return self._thread.is_alive() and not self._closing

    def __len__(self) -> int:
        """How many queries and jobs wait."""
        return len(self._queries) + len(self._jobs)

    def ask(self, query: Q) -> Future[A]:
        """Have a query answered. Raises BusyError where the queue is full; a cancelled one costs nothing."""
        future: Future[A] = Future()
        with self._changed:
            self._check_room()
            self._queries.append(_Waiting(query, future, time.monotonic()))
            self._changed.notify()
        return future

    def call(self, function: Callable[[], T], *, bounded: bool = True) -> Future[T]:
        """Run a function on the model's thread. Raises BusyError unless it is not ``bounded`` by the queue."""
        future: Future[T] = Future()
        with self._changed:
            self._check_room(bounded=bounded)
            self._jobs.append(_Job(function, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Answer what was taken, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _check_room(self, *, bounded: bool = True) -> None:
        if not self.alive:
            raise StoppingError("the service is ending; ask again when it is back")
        if bounded and len(self) >= self._queue:
            raise BusyError(f"{self._queue} requests are waiting already; try again in a second")

    def _work(self) -> None:
        while True:
            batch, job = self._next()
            if batch:
                self._answer_batch(batch)
                job = job or self._next_job()
            elif job is None:
                return
            until = time.monotonic() + self._last_seconds
            while job is not None:
                _finish(job.future, job.function)
                job = self._next_job() if time.monotonic() < until else None

    def _next(self) -> tuple[list[_Waiting], _Job | None]:
        """Wait for a batch, a job, or both; neither comes when all was done and it is closing."""
        with self._changed:
            while not (self._queries or self._jobs or self._closing):
                self._changed.wait()
            if self._queries:
                self._gather()
            batch = [self._queries.popleft() for _ in range(min(len(self._queries), self._most))]
            job = self._jobs.popleft() if self._jobs else None
        return batch, job

    def _next_job(self) -> _Job | None:
        with self._changed:
            return self._jobs.popleft() if self._jobs else None

    def _gather(self) -> None:
        """Wait for more queries as long as they come one after the other, unless something else is to be done."""
        waited_for, extra = self._queries[0].arrived + self._wait, WAITED_SHARE * self._last_seconds
        until = max(waited_for, time.monotonic() + extra)
        while len(self._queries) < self._most and not self._jobs and not self._closing:
            remaining = min(until - time.monotonic(), self._wait)
            if remaining <= 0 or not self._changed.wait(remaining):
                return

    def _answer_batch(self, batch: list[_Waiting]) -> None:
        batch = [one for one in batch if one.future.set_running_or_notify_cancel()]
        if not batch:
            return
        self._batch_sizes.observe(len(batch))
        began = time.monotonic()
        try:
            answers = self._answer([one.query for one in batch])
        except BaseException as error:  # a panic in a library is none of Exception
            log.exception("a batch of %d could not be answered", len(batch))
            answers = [error] * len(batch)
        self._last_seconds = time.monotonic() - began
        for one, result in zip(batch, answers, strict=True):
            if isinstance(result, BaseException):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)


def _finish(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # as above; whoever waits says what it is
        future.set_exception(error)
