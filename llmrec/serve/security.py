"""What every request must pass before the application sees it, and what every answer says to browsers."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmrec.errors import DataError
from llmrec.serve.failures import failure_body
from llmrec.serve.page_files import page_files

KEY = "LLMREC_API_KEY"
SHORTEST_KEY = 16
MOST_BYTES = 2**20  # of a body
BODY_SECONDS = 10.0  # in which a body must be here
# Answered without a key: what a supervisor asks, and the page, which holds nothing of the run.
OPEN_PATHS = frozenset({"/health", "/ready", *page_files()})
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_key(key: str | None, host: str) -> None:
    """Raise DataError for a key that is too short, and where an address that others reach has none."""
    if key is not None and len(key) < SHORTEST_KEY:
        raise DataError(f"{KEY} has {len(key)} characters; choose at least {SHORTEST_KEY}, or unset it")
    if key is None and not is_loopback(host):
        raise DataError(
            f"--host {host} can be reached from other machines: set {KEY} to a key of at least {SHORTEST_KEY} "
            "characters, which requests must send, or serve on 127.0.0.1"
        )


class Guard:
    """Refuses requests without the key, of foreign hosts, and bodies that are no JSON, too large or too slow.

    ``key``: what ``Authorization: Bearer KEY`` must say, None for anyone. Without one the Host must be a name of
    this machine: a page elsewhere cannot point a name of its own here.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        key: str | None,
        most_bytes: int = MOST_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app, self._key = app, None if key is None else f"Bearer {key}".encode()
        self._most_bytes, self._body_seconds = most_bytes, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            body, refusal = await self._body(headers, receive)
        if refusal is not None:
            await _refuse(guarded, *refusal)
            return
        await self._app(scope, _again(body, receive), guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Return status and message for a request that is not read any further."""
        if self._key is None:
            host = headers.get("host", "").rsplit("]", 1)
            name = f"{host[0]}]" if len(host) == 2 else host[0].rsplit(":", 1)[0]
            if name.lower() not in LOCAL_NAMES:
                return 421, "this service answers to localhost only; a key opens it to other names"
        elif scope["path"] not in OPEN_PATHS:
            given = headers.get("authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, self._key):
                return 401, f"the key is missing or wrong; send Authorization: Bearer and the value of {KEY}"
        address = scope.get("raw_path") or b""
        if b"%" in address and not _is_text(unquote_to_bytes(address)):
            return 400, "the address is no UTF-8; write ids in it as UTF-8, each byte as %XX"
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                return 415, "the body must be JSON; send Content-Type: application/json"
        return None

    async def _body(self, headers: Headers, receive: Receive) -> tuple[bytes, tuple[int, str] | None]:
        """Read the whole body, in bounded time and size; else status and message of the refusal."""
        length = headers.get("content-length", "0")
        large = 413, f"the body is larger than {self._most_bytes:,} bytes; send less at once"
        if not length.isdecimal() or len(length) > 15 or int(length) > self._most_bytes:
            return b"", large
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _read(receive, self._most_bytes)
        except TimeoutError:
            return b"", (408, f"the body was not here in {self._body_seconds:g} seconds; send it faster")
        if body is None:
            return b"", (400, "the connection ended before the body did")
        return body, large if len(body) > self._most_bytes else None


async def _read(receive: Receive, most: int) -> bytes | None:
    """Read a body until it ends, or is larger than ``most``; None where the client went away before that."""
    body, more = bytearray(), True
    while more and len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives a body that was read already, then what comes."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _refuse(send: Send, status: int, message: str) -> None:
    body = failure_body(status, message)
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of a body is not read
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
