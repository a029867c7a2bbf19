"""One loaded run: what it answers, on the thread that owns it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from llmrec.artifact import MANIFEST
from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, USER
from llmrec.data.responses.task import task_named
from llmrec.errors import DataError
from llmrec.models.base import Recommender
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.models.run_files import BasePaths
from llmrec.models.runs import load_run
from llmrec.serve.batcher import Batcher
from llmrec.serve.descriptions import described, sendable
from llmrec.serve.events import EventStore
from llmrec.serve.facets import facets_of
from llmrec.serve.failures import UnknownItemError
from llmrec.serve.histories import QueriedHistory, UserHistories, joined
from llmrec.serve.lists import ListRows, filter_of, lists_of, rows_by_user
from llmrec.serve.metrics import ServiceMetrics
from llmrec.serve.queries import MOST_EVENTS, HistoryQuery, PredictQuery, RecommendQuery, SimilarQuery
from llmrec.serve.reasons import NarratorName, Reasoner
from llmrec.serve.sessions import UserVectors
from llmrec.serve.titles import TitleSearch

# So many histories are answered before anybody asks: what is made at the first use is made then.
WARMING = 4


class ListAnswer(NamedTuple):
    """A list, the run that made it, and the history that it was made for."""

    run: ServedRun
    rows: ListRows
    history: QueriedHistory


class ServedRun:
    """A run in memory, read whole when it is made; user vectors of its LLM are remembered in ``cache_bytes``.

    ``batcher`` has the thread that owns it. Raises as ``llmrec.load`` does.
    """

    def __init__(
        self,
        folder: Path,
        store: EventStore,
        batcher: Batcher[Any, Any],
        *,
        base: BasePaths | None,
        backend: NarratorName,
        cache_bytes: int,
        metrics: ServiceMetrics,
    ) -> None:
        self.model: Recommender = load_run(folder, base=base, journal=True).prepare()
        self.identity = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]
        self._store = store
        self.users = UserHistories(self.model, store)
        self._titles = TitleSearch(self.model.catalog)
        self._facets: tuple[Catalog | None, list[dict[str, Any]]] = None, []
        self._reading = threading.Lock()  # of titles and facets, which are read once for a catalog
        self.reasoner = Reasoner(self.model, batcher, backend, cache_bytes=cache_bytes, metrics=metrics)
        self.vectors = UserVectors.of_run(self.model, cache_bytes, metrics)
        self._similar, self._diverse = _knows_similar(self.model), self.model.item_vectors() is not None
        known = self.model.histories
        self.model.recommend(known[:WARMING] if len(known) else Histories.of([[]]), 1)

    @property
    def data(self) -> str:
        """The fingerprint of the data that it was fitted on."""
        return str(self.model.metadata["data"]["fingerprint"])

    def recommend(self, queries: Sequence[RecommendQuery]) -> list[ListAnswer | BaseException]:
        """Answer a batch; what is wrong with a query is its alone."""
        answers: dict[int, ListAnswer | BaseException] = {}
        histories: dict[int, QueriedHistory] = {}
        groups: dict[object, list[int]] = {}
        for n, query in enumerate(queries):
            try:
                histories[n] = self.users.of(query)
            except Exception as error:
                answers[n] = error
            else:
                groups.setdefault(tuple(histories[n].events.schema.items()), []).append(n)
        for numbers in groups.values():
            lists = lists_of(
                self.model, self.vectors, [queries[n] for n in numbers], [histories[n] for n in numbers]
            )
            for n, rows in zip(numbers, lists, strict=True):
                answers[n] = rows if isinstance(rows, Exception) else ListAnswer(self, rows, histories[n])
        return [answers[n] for n in range(len(queries))]

    def similar(self, query: SimilarQuery) -> dict[str, Any]:
        """Return the items most like each given one. Raises DataError."""
        items = list(dict.fromkeys(query.item_ids))
        wanted = None if query.filter is None else filter_of(query.filter, self.model.catalog)
        table = self.model.similar_items(items, query.k, filter=wanted)
        lists = rows_by_user(table.rename({ITEM: USER, "similar_id": ITEM}), self.model.catalog)
        return {"similar": {item: lists.get(item, []) for item in items}, "run": self.identity}

    def predict(self, query: PredictQuery) -> dict[str, Any]:
        """Predict responses. Raises DataError for a model without tasks."""
        if not isinstance(self.model, RespondingRecommender):
            raise DataError(f"a {self.model.kind} model predicts no responses; train llm or gru-events with tasks")
        history = self.users.of(query)
        items = list(dict.fromkeys(query.item_ids))
        rows = self.model.predict_response(joined([history]), items).drop(USER).to_dicts()
        return {"predictions": rows, "unknown_items": history.unknown, "run": self.identity}

    def history(self, query: HistoryQuery, item_ids: Sequence[str]) -> QueriedHistory:
        """Return the history of a query about items. Raises DataError for an unknown one of these, too."""
        for item in item_ids:
            self.model.catalog.code(item)
        return self.users.of(query)

    def search(self, query: str, most: int) -> pl.DataFrame:
        """Return ``item_id, title`` of items whose titles hold the words of a query; on any thread."""
        catalog = self.model.catalog
        with self._reading:
            if self._titles.catalog is not catalog:
                self._titles = TitleSearch(catalog)
            titles = self._titles
        return titles.search(query, most)

    def lookup(self, item_ids: Sequence[str]) -> dict[str, Any]:
        """Return what the catalog says of items; on any thread."""
        catalog = self.model.catalog
        items = list(dict.fromkeys(item_ids))
        codes = catalog.codes(items)
        return {
            "items": described(catalog, codes[codes >= 0]),
            "unknown_items": [item for item, code in zip(items, codes, strict=True) if code < 0],
        }

    def facets(self) -> list[dict[str, Any]]:
        """Return what filters can choose by, computed once for a catalog; on any thread."""
        catalog = self.model.catalog
        with self._reading:
            if self._facets[0] is not catalog:
                self._facets = catalog, facets_of(catalog)
            return self._facets[1]

    def user(self, user_id: str) -> dict[str, Any]:
        """Return what is known of a user. Raises UnknownUserError."""
        events = self.users.of_user(user_id).events
        newest = sendable(events.tail(MOST_EVENTS), self.model.catalog)
        return {"user_id": user_id, "n_events": events.height, "events": newest}

    def put_item(self, item_id: str, columns: Mapping[str, object]) -> dict[str, Any]:
        """Add an item, or change columns of one, on the disk and here. Raises DataError."""
        catalog = self.model.catalog
        unknown = [name for name in columns if name == ITEM or name not in catalog.table.columns]
        if unknown:
            others = ", ".join(name for name in catalog.table.columns if name != ITEM)
            raise DataError(f"items have no column {unknown[0]} to change; they have {others}")
        known = bool(catalog.codes([item_id])[0] >= 0)
        rows = pl.DataFrame([pl.Series(name, [value]) for name, value in {ITEM: item_id, **columns}.items()])
        if known:
            self.model.update_items(rows)
            self._forget_vectors()  # its text may be another one
        else:
            self.model.add_items(rows)
        self.reasoner.forget()  # an item may be cited, and stands somewhere in every list
        return {"item_id": item_id, "created": not known, "run": self.identity}

    def delete_item(self, item_id: str) -> dict[str, Any]:
        """Recommend an item no more, on the disk and here. Raises UnknownItemError."""
        codes = self.model.catalog.codes([item_id])
        if codes[0] < 0 or self.model.catalog.are_removed(codes)[0]:
            raise UnknownItemError(f"item '{item_id}' is not in the catalog of {len(self.model.catalog)} items")
        self.model.remove_items([item_id])
        self.reasoner.forget()
        return {"item_id": item_id, "created": False, "run": self.identity}

    def forget(self, user_id: str) -> bool:
        """Forget what the run stores of a user, on the disk and here, on any thread; whether it knew them."""
        known = user_id in self.users
        if known:
            self.model.forget_user(user_id)
        return known

    def read_users(self) -> None:
        """Read anew what is known of users, who may have been forgotten."""
        self.users = UserHistories(self.model, self._store)
        self._forget_vectors()
        self.reasoner.forget()

    def description(self) -> dict[str, Any]:
        """Say what the run is and can do."""
        model = self.model
        tasks = list(model.recipe.tasks) if isinstance(model, RespondingRecommender) else []
        return {
            "run": self.identity,
            "name": model.recipe.name,
            "kind": model.kind,
            "items": len(model.catalog),
            "users": len(self.users),
            "columns": {name: str(kind) for name, kind in model.catalog.table.schema.items()},
            "tasks": tasks,
            "item_tasks": [name for name in tasks if task_named(name).given_item],
            "similar": self._similar,
            "diversity": self._diverse,
            "exclude_seen": model.exclude_seen,
            "reasons": "llm" if self.reasoner.narrates else "template",
        }

    def _forget_vectors(self) -> None:
        if self.vectors is not None:
            self.vectors.clear()


def _knows_similar(model: Recommender) -> bool:
    """Whether a model says what items are like, by vectors or by weights of items."""
    try:
        model.similar_items(model.catalog.ids[:1], 1)
    except DataError:
        return False
    return True
