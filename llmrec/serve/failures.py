"""What a service cannot do, as values: each with its HTTP status, said in one line as the command line says it."""

from __future__ import annotations

from pydantic_core import to_json

from llmrec.errors import EnvironmentFault, InputError, LlmrecError, WriteConflict
from llmrec.printable import printable

LONGEST = 500  # characters of a message
# Every status of a failure, and the ``code`` that stands in its answer.
CODES = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "slow_request",
    409: "conflict",
    413: "too_large",
    415: "not_json",
    421: "wrong_host",
    422: "bad_input",
    429: "busy",
    431: "large_head",
    500: "fault",
    503: "unavailable",
    504: "deadline",
}


class ServiceFailure(LlmrecError):
    """A request that was not answered."""

    status = 500
    headers: dict[str, str] = {}  # noqa: RUF012


class BusyError(ServiceFailure):
    """The queue is full."""

    status = 429
    headers = {"Retry-After": "1"}  # noqa: RUF012


class DeadlineError(ServiceFailure):
    """The answer took too long."""

    status = 504


class StoppingError(ServiceFailure):
    """The service is ending, or its model's thread has ended."""

    status = 503
    headers = {"Retry-After": "5"}  # noqa: RUF012


class UnknownUserError(ServiceFailure):
    """A user that neither the run nor the events know."""

    status = 404


class UnknownItemError(ServiceFailure):
    """An item in an address that the catalog lacks."""

    status = 404


class ReloadError(ServiceFailure):
    """A run that could not take the place of the one that is served."""

    status = 409


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an exception."""
    if isinstance(error, ServiceFailure):
        return error.status
    if isinstance(error, WriteConflict):
        return 409
    if isinstance(error, InputError):
        return 422
    return 503 if isinstance(error, EnvironmentFault) else 500


def message_of(error: BaseException) -> str:
    """Return the one line that is said of an exception; of a fault of ours no detail leaves the process."""
    if isinstance(error, LlmrecError):
        return printable(str(error), longest=LONGEST)
    return "this is a fault of llmrec; the service's log says more"


def failure_body(status: int, message: str) -> bytes:
    """Return the JSON of a failure."""
    return to_json({"error": {"code": CODES.get(status, "refused"), "message": message}})
