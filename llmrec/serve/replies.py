"""Answers as bytes: JSON, or one line of what failed, in the schema that OpenAPI shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from llmrec.errors import LlmrecError
from llmrec.printable import printable
from llmrec.serve.answers import FailureAnswer
from llmrec.serve.failures import LONGEST, ServiceFailure, failure_body, message_of, status_of
from llmrec.serve.routing import allowed_methods

Responses = dict[int | str, dict[str, Any]]
_REFUSED = (400, 401, 408, 413, 415, 421, 422, 429, 431, 500, 503, 504)


def failures(*others: int) -> Responses:
    """Return what OpenAPI says of the statuses that a route may answer with besides success."""
    return {status: {"model": FailureAnswer, "description": "Not answered."} for status in (*_REFUSED, *others)}


def json_of(value: Any) -> Response:
    """Answer with JSON; what is no number there is null."""
    return Response(to_json(value, inf_nan_mode="null"), media_type="application/json")


def failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with what failed."""
    body = failure_body(status, message)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def add_failures(app: FastAPI) -> None:
    """Say whatever is wrong in the one schema of failures."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        status = 400 if first["type"] == "json_invalid" else 422
        return failure(status, printable(f"{field}: {first['msg']}", longest=LONGEST))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        headers = {"Allow": allowed_methods(app, request.scope)} if error.status_code == 405 else error.headers
        return failure(error.status_code, printable(str(error.detail), longest=LONGEST), headers)

    @app.exception_handler(LlmrecError)
    async def failed(_: Request, error: LlmrecError) -> Response:
        headers = error.headers if isinstance(error, ServiceFailure) else None
        return failure(status_of(error), message_of(error), headers)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        return failure(500, message_of(error))
