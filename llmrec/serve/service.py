"""A run that is served: queries to its thread, events to their store, another run in its place when one comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from llmrec import artifact
from llmrec.errors import LlmrecError
from llmrec.serve.batcher import Batcher
from llmrec.serve.events import EventStore, NewData
from llmrec.serve.failures import BusyError, DeadlineError, ReloadError, UnknownUserError, message_of
from llmrec.serve.histories import unknown_items
from llmrec.serve.metrics import ServiceMetrics
from llmrec.serve.queries import (
    EventsQuery,
    ExplainQuery,
    ItemQuery,
    PredictQuery,
    RanksQuery,
    RecommendQuery,
    SimilarQuery,
)
from llmrec.serve.served_run import ListAnswer, ServedRun
from llmrec.serve.settings import ServiceSettings
from llmrec.serve.streams import ReasonStreams

T = TypeVar("T")
Fields = dict[str, Any]

# An LLM may take so many times as long for reasons as anything else may take.
EXPLAIN_DEADLINES = 12
READERS = 4  # threads that look up what needs no model


class Service:
    """Loads a run and answers for it until ``close``. Raises as ``llmrec.load`` and ``EventStore`` do."""

    def __init__(self, folder: Path, settings: ServiceSettings | None = None) -> None:
        self.folder, self.settings, self.metrics = folder, settings or ServiceSettings(), ServiceMetrics()
        settings = self.settings
        data = artifact.read(folder, verify=False).metadata.get("data", {})
        events = settings.events or folder.with_name(f"{folder.name}.events.sqlite")
        with ExitStack() as opened:
            self._store = EventStore(events, data=str(data.get("fingerprint")), new_data=settings.new_data)
            opened.callback(self._store.close)
            self._batcher: Batcher[RecommendQuery, ListAnswer] = Batcher(
                lambda queries: self.run.recommend(queries),
                most=settings.batch,
                wait=settings.wait,
                queue=settings.queue,
                metrics=self.metrics,
            )
            opened.callback(self._batcher.close)
            self._streams = ReasonStreams(most=settings.explaining, deadline=EXPLAIN_DEADLINES * settings.deadline)
            opened.callback(self._streams.close)
            self._readers, self._n_reading = ThreadPoolExecutor(READERS, "llmrec-read"), 0
            opened.callback(self._readers.shutdown, wait=False, cancel_futures=True)
            self.run = self._loaded()
            self._opened = opened.pop_all()
        self._changes, self._reloading = asyncio.Lock(), False
        self.metrics.watch("llmrec_queue", "Requests that wait for the model.", lambda: len(self._batcher))
        self.metrics.watch("llmrec_cache_bytes", "Bytes of user vectors and sessions.", lambda: self._cache()[0])
        self.metrics.watch("llmrec_sessions", "Sessions with a key-value cache.", lambda: self._cache()[1])

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self._batcher.alive

    async def recommend(self, query: RecommendQuery) -> Fields:
        """Answer with a list."""
        answer = await self._result(self._batcher.ask(query))
        rows = answer.rows
        if query.explain and rows:
            reasons = await self._streams.plain(answer.run.reasoner, answer.history, rows, query.language)
            rows = [{**row, "reason": reason} for row, reason in zip(rows, reasons, strict=True)]
        return {"items": rows, "unknown_items": answer.history.unknown, "run": answer.run.identity}

    async def similar(self, query: SimilarQuery) -> Fields:
        """Answer with similar items."""
        return await self._result(self._batcher.call(lambda: self.run.similar(query)))

    async def predict(self, query: PredictQuery) -> Fields:
        """Answer with predicted responses."""
        return await self._result(self._batcher.call(lambda: self.run.predict(query)))

    async def explain(self, query: ExplainQuery) -> AsyncIterator[bytes]:
        """Yield reasons as server-sent events; what is wrong with the query is raised before the first."""
        run = self.run
        items = [*query.item_ids, *([query.instead] if query.instead is not None else [])]
        history = await self._result(self._batcher.call(lambda: run.history(query, items)))
        async for event in self._streams.stream(run.reasoner, history, query):
            yield event

    async def ranks(self, query: RanksQuery) -> Fields:
        """Answer with ranks, whole and without items of the history."""
        run = self.run
        history = await self._result(self._batcher.call(lambda: run.history(query, query.item_ids)))
        ranks = await self._streams.result(lambda: run.reasoner.ranks(history, query))
        return {"ranks": ranks, "unknown_items": history.unknown, "run": run.identity}

    async def take(self, query: EventsQuery) -> Fields:
        """Take a user's events in: they are on the disk when this returns."""
        items = [event.item_id for event in query.events]
        unknown = unknown_items(items, self.run.model.catalog, refuse=query.unknown_items == "refuse")
        now = {"timestamp": round(time.time(), 3)}
        events = [{**now, **event.model_dump(exclude_none=True)} for event in query.events]
        try:
            stored = await self._result(self._store.add(query.user_id, events))
        except LlmrecError:
            self.metrics.events.labels("refused").inc(len(events))
            raise
        for outcome, count in stored._asdict().items():
            self.metrics.events.labels(outcome).inc(count)
        return {**stored._asdict(), "unknown_items": unknown}

    async def items(self, query: str, most: int) -> Fields:
        """Answer with items whose titles hold the words of a query."""
        table = await self._read(lambda: self.run.search(query, most))
        return {"items": table.to_dicts()}

    async def facets(self) -> list[Fields]:
        """Answer with what filters can choose by."""
        return await self._read(lambda: self.run.facets())

    async def lookup(self, item_ids: list[str]) -> Fields:
        """Answer with what the catalog says of items."""
        return await self._read(lambda: self.run.lookup(item_ids))

    async def users(self, start: str, most: int) -> list[Fields]:
        """Answer with users that the run knows whose ids begin so."""
        return await self._read(lambda: self.run.users.known(start, most))

    async def user(self, user_id: str) -> Fields:
        """Answer with what is known of a user. Raises UnknownUserError."""
        return await self._result(self._batcher.call(lambda: self.run.user(user_id)))

    async def put_item(self, item_id: str, query: ItemQuery) -> Fields:
        """Add an item, or change columns of one: it is on the disk when this returns."""
        async with self._change():
            return await self._result(self._batcher.call(lambda: self.run.put_item(item_id, query.columns)))

    async def delete_item(self, item_id: str) -> Fields:
        """Recommend an item no more: that is on the disk when this returns."""
        async with self._change():
            return await self._result(self._batcher.call(lambda: self.run.delete_item(item_id)))

    async def forget(self, user_id: str) -> Fields:
        """Erase a user's events, and what the run stores, however long that takes. Raises UnknownUserError."""
        async with self._change():
            events = await asyncio.to_thread(self._store.forget, user_id)
            in_run = await asyncio.to_thread(self.run.forget, user_id)
            await asyncio.wrap_future(self._batcher.call(self.run.read_users, bounded=False))
        if not (in_run or events):
            raise UnknownUserError(f"user '{user_id}' is not among the users of the run, and sent no events")
        return {"in_run": in_run, "events": events}

    async def reload(self, new_data: NewData) -> Fields:
        """Load the folder's run beside the one that is served, and answer by it from then on.

        Raises ReloadError, and serves the old one on, where it cannot be read or was fitted on other data.
        """
        async with self._change():
            self._reloading = True
            try:
                run = await asyncio.to_thread(self._loaded)
                await asyncio.wrap_future(self._batcher.call(lambda: self._switch(run, new_data), bounded=False))
            except LlmrecError as error:
                self.metrics.reloads.labels("failed").inc()
                raise ReloadError(f"the old run is served on: {message_of(error)}") from error
            finally:
                self._reloading = False
        self.metrics.reloads.labels("done").inc()
        return run.description()

    def close(self) -> None:
        """Answer and write what was taken, then let go of everything."""
        self._opened.close()

    def _loaded(self) -> ServedRun:
        settings = self.settings
        return ServedRun(
            self.folder,
            self._store,
            self._batcher,
            base=settings.base,
            backend=settings.backend,
            cache_bytes=settings.cache_bytes,
            metrics=self.metrics,
        )

    def _switch(self, run: ServedRun, new_data: NewData) -> None:
        """Answer by another run, on the model's thread: between two batches."""
        self._store.follow(run.data, new_data)
        self.run = run

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[None]:
        """Let one change at a time be made, and none while another run is loaded, which would not have it."""
        if self._reloading:
            raise ReloadError("another run is being loaded; try again when it is there")
        async with self._changes:
            yield

    def _cache(self) -> tuple[int, int]:
        vectors = self.run.vectors
        return (0, 0) if vectors is None else (vectors.nbytes, vectors.n_sessions)

    async def _read(self, function: Callable[[], T]) -> T:
        """Look something up beside the model's thread. Raises BusyError where too many are at it."""
        if self._n_reading >= self.settings.queue:
            raise BusyError(f"{self.settings.queue} requests are waiting already; try again in a second")
        self._n_reading += 1
        try:
            return await self._result(self._readers.submit(function))
        finally:
            self._n_reading -= 1

    async def _result(self, future: Future[T]) -> T:
        """Wait for an answer; what is not begun at the deadline is not done."""
        try:
            async with asyncio.timeout(self.settings.deadline):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise DeadlineError(
                f"there was no answer within {self.settings.deadline:g} seconds; try again, or ask for less"
            ) from error
