"""One loaded run: what it answers, on the thread that owns it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmrec.artifact import MANIFEST
from llmrec.data import Histories
from llmrec.data.columns import ITEM, USER
from llmrec.errors import DataError
from llmrec.models import LLMRecommender
from llmrec.models.base import Recommender
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.models.run_files import BasePaths
from llmrec.models.runs import load_run
from llmrec.serve.batcher import Batcher
from llmrec.serve.events import EventStore
from llmrec.serve.histories import QueriedHistory, UserHistories, joined
from llmrec.serve.lists import ListRows, lists_of, rows_by_user
from llmrec.serve.metrics import ServiceMetrics
from llmrec.serve.reasons import NarratorName, Reasoner
from llmrec.serve.schemas import HistoryQuery, PredictQuery, RecommendQuery, SimilarQuery
from llmrec.serve.sessions import UserVectors
from llmrec.serve.titles import TitleSearch


class ListAnswer(NamedTuple):
    """A list, the run that made it, and the history that it was made for."""

    run: ServedRun
    rows: ListRows
    history: QueriedHistory


class ServedRun:
    """A run in memory, read whole when it is made; an LLM's user vectors are remembered in ``cache_bytes``.

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
        self.model: Recommender = load_run(folder, base=base).prepare()
        self.identity = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]
        self.users = UserHistories(self.model, store)
        self.titles = TitleSearch(self.model.catalog)
        self.reasoner = Reasoner(self.model, batcher, backend)
        self.vectors: UserVectors | None = None
        if isinstance(self.model, LLMRecommender) and self.model.recipe.responses.rank_by == "relevance":
            self.vectors = UserVectors(self.model, cache_bytes, metrics)
        self._similar = self.model.item_vectors() is not None
        self.model.recommend(Histories.of([[]]), 1)  # what is made at the first use is made now

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
        table = self.model.similar_items(items, query.k)
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

    def description(self) -> dict[str, Any]:
        """Say what the run is and can do."""
        model = self.model
        return {
            "run": self.identity,
            "name": model.recipe.name,
            "kind": model.kind,
            "items": len(model.catalog),
            "users": len(self.users),
            "columns": {name: str(kind) for name, kind in model.catalog.table.schema.items()},
            "tasks": list(model.recipe.tasks) if isinstance(model, RespondingRecommender) else [],
            "similar": self._similar,
            "exclude_seen": model.exclude_seen,
        }
