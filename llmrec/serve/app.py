"""The routes: JSON in, one call of the service, JSON out; what fails is one line of one schema."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

import llmrec
from llmrec.errors import LlmrecError
from llmrec.printable import printable
from llmrec.serve.failures import LONGEST, ServiceFailure, failure_body, message_of, status_of
from llmrec.serve.metrics import Measured
from llmrec.serve.schemas import (
    EventsAnswer,
    EventsQuery,
    ExplainQuery,
    FailureAnswer,
    ItemsAnswer,
    PredictAnswer,
    PredictQuery,
    RecommendAnswer,
    RecommendQuery,
    ReloadQuery,
    RunAnswer,
    SimilarAnswer,
    SimilarQuery,
    StateAnswer,
)
from llmrec.serve.security import BODY_SECONDS, Guard
from llmrec.serve.service import Service

log = logging.getLogger(__name__)

Responses = dict[int | str, dict[str, Any]]
_REFUSED = (400, 401, 408, 413, 415, 421, 422, 429, 500, 503, 504)
_EVENT = {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
_STREAM = {"content": {"text/event-stream": {"schema": _EVENT}}, "description": "Server-sent events."}
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text format."}


def guarded_app(service: Service, *, key: str | None = None, body_seconds: float = BODY_SECONDS) -> ASGIApp:
    """Return the application as it is served: measured, and guarded (see ``Guard``)."""
    return Measured(Guard(make_app(service), key=key, body_seconds=body_seconds), service.metrics)


def make_app(service: Service) -> FastAPI:
    """Return the application of a service, which is closed when the application ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="llmrec",
        version=llmrec.__version__,
        summary="What a user does next, why, and what is like an item.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    _add_failures(app)
    _add_queries(app, service)
    _add_changes(app, service)
    _add_state(app, service)
    return app


def _add_queries(app: FastAPI, service: Service) -> None:
    @app.post("/recommend", response_model=RecommendAnswer, responses=_failures(404))
    async def recommend(query: RecommendQuery) -> Response:
        """What a user does next."""
        return _json(await service.recommend(query))

    @app.post("/similar", response_model=SimilarAnswer, responses=_failures())
    async def similar(query: SimilarQuery) -> Response:
        """Which items are most like given ones."""
        return _json(await service.similar(query))

    @app.post("/explain", response_class=StreamingResponse, responses={200: _STREAM, **_failures(404)})
    async def explain(query: ExplainQuery) -> Response:
        """Why items fit a user: `evidence` with the template's words, then `reason` for each item, then `done`."""
        events = service.explain(query)
        first = await anext(events)  # what is wrong with the query is said by the status
        headers = {"X-Accel-Buffering": "no"}  # a proxy passes them on as they come
        return StreamingResponse(_after(first, events), media_type="text/event-stream", headers=headers)

    @app.post("/predict", response_model=PredictAnswer, responses=_failures(404))
    async def predict(query: PredictQuery) -> Response:
        """How a user would respond to items, by a run with tasks."""
        return _json(await service.predict(query))

    @app.get("/items", response_model=ItemsAnswer, responses=_failures())
    async def items(
        query: Annotated[str, Query(max_length=200)] = "", limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> Response:
        """Items whose titles hold the words of a query, or whose id it is."""
        return _json(await service.items(query, limit))


def _add_changes(app: FastAPI, service: Service) -> None:
    @app.post("/events", response_model=EventsAnswer, responses=_failures())
    async def events(query: EventsQuery) -> Response:
        """Take in what a user did; it is on the disk when the answer comes."""
        return _json(await service.take(query))

    @app.post("/reload", response_model=RunAnswer, responses=_failures(409))
    async def reload(query: ReloadQuery) -> Response:
        """Load the run that is in the folder now, beside the old one, and answer by it."""
        return _json(await service.reload(query.new_data))


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/run", response_model=RunAnswer, responses=_failures())
    async def run() -> Response:
        """What is served and can do."""
        return _json(service.run.description())

    @app.get("/health", response_model=StateAnswer, responses=_failures())
    async def health() -> Response:
        """Whether the process is there."""
        return _json({"status": "ok"})

    @app.get("/ready", response_model=StateAnswer, responses=_failures())
    async def ready() -> Response:
        """Whether it answers now."""
        if not service.ready:
            return _failure(503, "the service is ending; ask again when it is back")
        return _json({"status": "ok"})

    @app.get("/metrics", response_class=Response, responses={200: _TEXT, **_failures()})
    async def metrics() -> Response:
        """Requests, latencies, batches, caches and queue, for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_failures(app: FastAPI) -> None:
    """Say whatever is wrong in the one schema of failures."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        status = 400 if first["type"] == "json_invalid" else 422
        return _failure(status, printable(f"{field}: {first['msg']}", longest=LONGEST))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return _failure(error.status_code, printable(str(error.detail), longest=LONGEST), error.headers)

    @app.exception_handler(LlmrecError)
    async def failed(_: Request, error: LlmrecError) -> Response:
        headers = error.headers if isinstance(error, ServiceFailure) else None
        return _failure(status_of(error), message_of(error), headers)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        return _failure(500, message_of(error))


def _failures(*others: int) -> Responses:
    """Return what OpenAPI says of the statuses that a route may answer with besides success."""
    return {status: {"model": FailureAnswer, "description": "Not answered."} for status in (*_REFUSED, *others)}


def _json(value: Any) -> Response:
    return Response(to_json(value, inf_nan_mode="null"), media_type="application/json")


def _failure(status: int, message: str, headers: Any = None) -> Response:
    body = failure_body(status, message)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def _after(first: bytes, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in events:
        yield event
