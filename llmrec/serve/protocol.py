"""HTTP/1.1 with bounds of its own: the head of a request in size and in time, and all that belongs to one."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llmrec.serve.failures import failure_body
from llmrec.serve.security import HEADERS, MOST_BYTES

MOST_HEAD = 2**16  # bytes of the address and the headers, trailers too
MOST_HEADERS = 100
MOST_RAW = MOST_HEAD + 8 * MOST_BYTES  # bytes of a request as they come: small chunks cost more than their content
HEAD_SECONDS = 10.0  # in which the head of a request must be here


# A client may offer another protocol (Java's does so by default); the parser would then drop the body. The service
# speaks no other one and does not see the offer: a line that begins so stands in no JSON.
_OFFER, _UNSEEN = re.compile(rb"\nupgrade:", re.IGNORECASE), b"\nx-offer:"


class BoundedHttp(HttpToolsProtocol):
    """Refuses a head that is too large with 431, no HTTP with 400; one that does not come ends the connection."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = too_large = False
    _n_read = _n_headers = _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._cancel_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless there is more of one request than may be."""
        self._n_read += len(data)
        if self._n_read > (MOST_HEAD + len(data) if self._in_head else MOST_RAW):
            self.too_large = True
            self.send_400_response("")
        elif not self.transport.is_closing():
            super().data_received(_OFFER.sub(_UNSEEN, data))

    def on_message_begin(self) -> None:
        """Begin a request; what was read before is not counted."""
        super().on_message_begin()
        self._in_head, self._n_read, self._n_headers, self._header_bytes = True, 0, 0, 0
        if self._timer is None:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header or a trailer."""
        self._n_headers += 1
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Answer a request."""
        self._in_head = False
        self._cancel_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, in the schema of all failures."""
        status, text = 400, "this is no HTTP request; send HTTP/1.1"
        if self.too_large:
            status, text = 431, f"the head of a request has at most {MOST_HEAD:,} bytes and {MOST_HEADERS} headers"
        body = failure_body(status, text)
        headers = {
            **HEADERS,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *map(": ".join, headers.items()), "", ""]
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.close()

    def _count(self, part: bytes) -> None:
        """Count a part of the head. Raises ValueError, which the parser takes for a fault of the request."""
        self._header_bytes += len(part)
        if self._header_bytes > MOST_HEAD or self._n_headers > MOST_HEADERS:
            self.too_large = True
            raise ValueError

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
