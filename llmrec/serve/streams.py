"""Reasons as they come: evidence with the template's words first, then what a narrator makes of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from pydantic_core import to_json

from llmrec.errors import LlmrecError
from llmrec.prompting import Language
from llmrec.serve.failures import BusyError, DeadlineError, failure_body, message_of, status_of
from llmrec.serve.histories import QueriedHistory
from llmrec.serve.queries import ExplainQuery
from llmrec.serve.reasons import Reasoner

log = logging.getLogger(__name__)

T = TypeVar("T")


class ReasonStreams:
    """Works on the reasons of ``most`` requests at a time, each within ``deadline`` seconds."""

    def __init__(self, *, most: int, deadline: float) -> None:
        self._most, self._deadline, self._n_running = most, deadline, 0
        self._counting = threading.Lock()
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="llmrec-reasons")

    async def plain(
        self, reasoner: Reasoner, history: QueriedHistory, rows: list[dict[str, Any]], language: Language
    ) -> list[dict[str, Any]]:
        """Return a reason in the template's words for each row of a list. Raises BusyError and DeadlineError."""
        items, ranks = [row["item_id"] for row in rows], [row["rank"] for row in rows]
        return await self.result(
            lambda: reasoner.plain(reasoner.requests(history, items, language=language, ranks=ranks))
        )

    async def result(self, function: Callable[[], T]) -> T:
        """Return what a function does with a model's scores. Raises BusyError and DeadlineError."""
        with self._one_more():
            return await self._result(function, self._deadline)

    async def stream(
        self, reasoner: Reasoner, history: QueriedHistory, query: ExplainQuery
    ) -> AsyncIterator[bytes]:
        """Yield server-sent events: for each item ``evidence``, then for each ``reason``, and ``done`` at the end.

        What fails before the first of them is raised, later it is the event ``error``.
        """
        with self._one_more():
            until = asyncio.get_running_loop().time() + self._deadline
            requests = await self._result(
                lambda: reasoner.requests(
                    history,
                    query.item_ids,
                    language=query.language,
                    form=query.form,
                    tone=query.tone,
                    instead=query.instead,
                    ranks=query.ranks,
                ),
                self._deadline,
            )
            for item, reason in zip(query.item_ids, reasoner.plain(requests), strict=True):
                yield _sent("evidence", {"item_id": item, **reason})
            try:
                for item, request in zip(query.item_ids, requests, strict=True):
                    seconds = until - asyncio.get_running_loop().time()
                    reason = await self._result(partial(reasoner.worded, request), seconds)
                    yield _sent("reason", {"item_id": item, **reason})
                yield _sent("done", {})
            except Exception as error:
                if not isinstance(error, LlmrecError):
                    log.exception("a reason could not be worded")
                yield b"event: error\ndata: " + failure_body(status_of(error), message_of(error)) + b"\n\n"

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _result(self, function: Callable[[], T], seconds: float) -> T:
        future = self._pool.submit(function)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise DeadlineError(f"there was no answer within {self._deadline:g} seconds; try again") from error
        finally:
            if not future.cancel() and not future.done():
                self._count_until_done(future)

    def _count_until_done(self, future: Future[T]) -> None:
        """Count work that nobody waits for any more: its thread is free for others only when it is done."""
        self._count(1)
        future.add_done_callback(lambda _: self._count(-1))

    def _count(self, more: int) -> None:
        with self._counting:
            self._n_running += more

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if self._n_running >= self._most:
            raise BusyError(f"{self._most} requests for reasons are worked on already; try again in a second")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)


def _sent(event: str, data: dict[str, Any]) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + to_json(data, inf_nan_mode="null") + b"\n\n"
