"""The connection of a client: requests sent again while a service is busy, answers read, failures raised."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from llmrec.client.sent import present
from llmrec.errors import DataError, EnvironmentFault

if TYPE_CHECKING:
    import httpx2

Answered = TypeVar("Answered")

LONGEST_WAIT = 5.0  # seconds until a busy service is asked again
# Answers that may be others a moment later.
_PASSING = frozenset({429, 503})


class Connection:
    """Sends requests to a service; see ``Client``."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        concurrency: int = 16,
    ) -> None:
        import httpx2

        if not (math.isfinite(timeout) and timeout > 0):
            raise DataError(f"timeout is {timeout}; give the seconds that an answer may take, such as 30")
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        try:
            self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout)
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise DataError(f"{url} is no address of a service, or the key cannot be sent: {error}") from error
        self.url, self.timeout, self.concurrency = url, timeout, max(1, concurrency)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _each(self, function: Callable[[Any], Answered], values: Sequence[Any]) -> list[Answered]:
        """Call a function with each value, several at a time; the first error is raised."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            return list(pool.map(function, values))

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._value(self._answered("GET", path, params=query))

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._value(self._answered("POST", path, json=present(body)))

    def _value(self, response: httpx2.Response) -> dict[str, Any]:
        """Return an answer's JSON. Raises DataError where it is none: something else listens there."""
        try:
            value = response.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DataError(f"{self.url} answers with no JSON; is it a service of llmrec?")
        return value

    def _answered(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Send a request, again while the service is busy. Raises DataError and EnvironmentFault."""
        import httpx2

        until = time.monotonic() + self.timeout
        while True:
            try:
                response = self._http.request(method, path, **request)
            except (TypeError, ValueError) as error:  # dates, NaN
                raise DataError(
                    f"{path}: what is sent is no JSON: {error}; send text and finite numbers"
                ) from error
            except httpx2.HTTPError as error:
                raise EnvironmentFault(f"no answer from {self.url}: {type(error).__name__}: {error}") from error
            wait = _seconds(response.headers.get("Retry-After", ""))
            if response.status_code not in _PASSING or time.monotonic() + wait > until:
                break
            time.sleep(wait)
        if response.is_success:
            return response
        message = _message(response)
        if response.status_code in _PASSING or response.status_code >= 500:
            raise EnvironmentFault(f"{self.url}: {message}")
        raise DataError(message)

    def _events(self, path: str, **body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Send a request and yield the server-sent events of its answer. Raises EnvironmentFault for an error."""
        for block in self._answered("POST", path, json=present(body)).text.split("\n\n"):
            # Titles may hold other line breaks, which end no line here.
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if not fields:
                continue
            value = json.loads(fields["data"])
            if fields["event"] == "error":
                raise EnvironmentFault(f"{self.url}: {value['error']['message']}")
            yield fields["event"], value


def _seconds(retry_after: str) -> float:
    """Return for how long a busy service is left alone; a proxy may name a date instead."""
    return min(float(retry_after), LONGEST_WAIT) if retry_after.isdecimal() else 1.0


def _message(response: httpx2.Response) -> str:
    """Return the line of a refusal; of another server's its status."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}; is it a service of llmrec?"
