"""The routes: JSON in, one call of the service, JSON out; what fails is one line of one schema."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Path, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from llmrec.runtime import versions
from llmrec.serve.answers import (
    EventsAnswer,
    FacetsAnswer,
    ForgottenAnswer,
    ItemAnswer,
    ItemsAnswer,
    LookupAnswer,
    PredictAnswer,
    RanksAnswer,
    RecommendAnswer,
    RunAnswer,
    SimilarAnswer,
    StateAnswer,
    UserAnswer,
    UsersAnswer,
)
from llmrec.serve.metrics import Measured
from llmrec.serve.page_files import add_page
from llmrec.serve.queries import (
    EventsQuery,
    ExplainQuery,
    Id,
    ItemQuery,
    LookupQuery,
    PredictQuery,
    RanksQuery,
    RecommendQuery,
    ReloadQuery,
    SimilarQuery,
)
from llmrec.serve.replies import add_failures, failure, failures, json_of
from llmrec.serve.routing import require_key
from llmrec.serve.security import BODY_SECONDS, OPEN_PATHS, Guard
from llmrec.serve.service import Service

log = logging.getLogger(__name__)

PathId = Annotated[Id, Path()]
Words = Annotated[str, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=100)]
_EVENT = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
_STREAM = {"content": {"text/event-stream": {"schema": _EVENT}}, "description": "Server-sent events."}
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text format."}


def guarded_app(service: Service, *, key: str | None = None, body_seconds: float = BODY_SECONDS) -> ASGIApp:
    """Return the application as it is served: measured, and guarded (see ``Guard``)."""
    app = make_app(service)
    if key is not None:
        require_key(app, OPEN_PATHS)
    return Measured(Guard(app, key=key, body_seconds=body_seconds), service.metrics)


def make_app(service: Service) -> FastAPI:
    """Return the application of a service, which is closed when the application ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="llmrec",
        version=versions().get("llmrec", "0"),
        summary="What a user does next, why, and what is like an item.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would go to whatever host the request names
    )
    add_failures(app)
    _add_queries(app, service)
    _add_catalog(app, service)
    _add_changes(app, service)
    _add_state(app, service)
    add_page(app)
    return app


def _add_queries(app: FastAPI, service: Service) -> None:
    @app.post("/recommend", response_model=RecommendAnswer, responses=failures(404))
    async def recommend(query: RecommendQuery) -> Response:
        """What a user does next."""
        return json_of(await service.recommend(query))

    @app.post("/similar", response_model=SimilarAnswer, responses=failures())
    async def similar(query: SimilarQuery) -> Response:
        """Which items are most like given ones."""
        return json_of(await service.similar(query))

    @app.post("/explain", response_class=StreamingResponse, responses={200: _STREAM, **failures(404)})
    async def explain(query: ExplainQuery) -> Response:
        """Why items fit a user: `evidence` with the template's words, then `reason` for each item, then `done`."""
        events = service.explain(query)
        first = await anext(events)  # what is wrong with the query is said by the status
        headers = {"X-Accel-Buffering": "no"}  # a proxy passes them on as they come
        return StreamingResponse(_after(first, events), media_type="text/event-stream", headers=headers)

    @app.post("/predict", response_model=PredictAnswer, responses=failures(404))
    async def predict(query: PredictQuery) -> Response:
        """How a user would respond to items, by a run with tasks."""
        return json_of(await service.predict(query))

    @app.post("/ranks", response_model=RanksAnswer, responses=failures(404))
    async def ranks(query: RanksQuery) -> Response:
        """Where items stand in a user's list, and where they would without an item of the history."""
        return json_of(await service.ranks(query))


def _add_catalog(app: FastAPI, service: Service) -> None:
    @app.get("/items", response_model=ItemsAnswer, responses=failures())
    async def items(query: Words = "", limit: Limit = 20) -> Response:
        """Items whose titles hold the words of a query, or whose id it is."""
        return json_of(await service.items(query, limit))

    @app.post("/lookup", response_model=LookupAnswer, responses=failures())
    async def lookup(query: LookupQuery) -> Response:
        """What the catalog says of items."""
        return json_of(await service.lookup(query.item_ids))

    @app.get("/facets", response_model=FacetsAnswer, responses=failures())
    async def facets() -> Response:
        """What filters can choose by: categories with their values, and ranges of numbers."""
        return json_of({"facets": await service.facets()})

    @app.get("/users", response_model=UsersAnswer, responses=failures())
    async def users(query: Words = "", limit: Limit = 20) -> Response:
        """Users that the run knows whose ids begin so."""
        return json_of({"users": await service.users(query, limit)})

    @app.get("/users/{user_id:id}", response_model=UserAnswer, responses=failures(404))
    async def user(user_id: PathId) -> Response:
        """What is known of a user, with the events that were sent."""
        return json_of(await service.user(user_id))


def _add_changes(app: FastAPI, service: Service) -> None:
    @app.post("/events", response_model=EventsAnswer, responses=failures())
    async def events(query: EventsQuery) -> Response:
        """Take in what a user did; it is on the disk when the answer comes."""
        return json_of(await service.take(query))

    @app.put("/items/{item_id:id}", response_model=ItemAnswer, responses=failures(409))
    async def put_item(item_id: PathId, query: ItemQuery) -> Response:
        """Add an item, or change columns of one; it is on the disk when the answer comes."""
        return json_of(await service.put_item(item_id, query))

    @app.delete("/items/{item_id:id}", response_model=ItemAnswer, responses=failures(404, 409))
    async def delete_item(item_id: PathId) -> Response:
        """Recommend an item no more; histories that hold it are read as before."""
        return json_of(await service.delete_item(item_id))

    @app.delete("/users/{user_id:id}", response_model=ForgottenAnswer, responses=failures(404, 409))
    async def delete_user(user_id: PathId) -> Response:
        """Forget a user: the events that were sent, and what the run stores; weights stay as they are."""
        return json_of(await service.forget(user_id))

    @app.post("/reload", response_model=RunAnswer, responses=failures(409))
    async def reload(query: ReloadQuery) -> Response:
        """Load the run that is in the folder now, beside the old one, and answer by it."""
        return json_of(await service.reload(query.new_data))


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/run", response_model=RunAnswer, responses=failures())
    async def run() -> Response:
        """What is served and can do."""
        return json_of(service.run.description())

    @app.get("/health", response_model=StateAnswer, responses=failures())
    async def health() -> Response:
        """Whether the process is there."""
        return json_of({"status": "ok"})

    @app.get("/ready", response_model=StateAnswer, responses=failures())
    async def ready() -> Response:
        """Whether it answers now."""
        if not service.ready:
            return failure(503, "the service is ending; ask again when it is back")
        return json_of({"status": "ok"})

    @app.get("/metrics", response_class=Response, responses={200: _TEXT, **failures()})
    async def metrics() -> Response:
        """Requests, latencies, batches, caches and queue, for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _after(first: bytes, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in events:
        yield event
