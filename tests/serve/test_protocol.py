"""Heads of requests are bounded in size and in time, whatever a client sends; bodies of their size are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from support.serving import NEEDS

uvicorn = pytest.importorskip("uvicorn", reason=NEEDS)

from uvicorn.server import ServerState

from llmrec.serve import protocol
from llmrec.serve.security import HEADERS

HEAD = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
PIECES = 300  # many times the bound


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def exchanged(pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """Send pieces until the server closes. Returns what came back, and how many pieces were sent."""
    loop = asyncio.get_running_loop()
    config, state = uvicorn.Config(app, lifespan="off", ws="none", log_config=None), ServerState()
    server = await loop.create_server(lambda: protocol.BoundedHttp(config, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        n_sent = 0
        try:
            for n_sent, piece in enumerate(pieces, 1):  # noqa: B007
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except OSError:
            pass
        content = b""
        try:
            while piece := await asyncio.wait_for(reader.read(2**16), 10):
                content += piece
        except OSError:
            pass
        writer.close()
    return content, n_sent


def answer_to(*pieces: bytes) -> bytes:
    return asyncio.run(exchanged(pieces))[0]


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /", b"a" * 2**16),
        (HEAD + b"X-A: ", b"a" * 2**16),
        (HEAD, b"X-A: b\r\n" * 2**13),
        (HEAD + b"X", b"a" * 2**16),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 2**13),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", b"a" * 2**16),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 2**16),
    ],
    ids=["address", "value", "headers", "name", "trailers", "trailer", "extension"],
)
def test_what_has_no_end_is_refused_long_before(begin: bytes, piece: bytes) -> None:
    content, n_sent = asyncio.run(exchanged([begin, *[piece] * PIECES]))
    assert n_sent < PIECES  # what is sent to a closed connection is an error
    assert content == b"" or content.startswith(b"HTTP/1.1 431 ")


def test_too_many_headers_and_too_large_ones_are_431_in_the_schema_of_failures() -> None:
    for many in (b"X-A: b\r\n" * 101, b"X-A: " + b"b" * protocol.MOST_HEAD + b"\r\n"):
        head, _, body = answer_to(HEAD + many + b"\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert all(f"{name}: {value}".encode() in head for name, value in HEADERS.items())
        assert json.loads(body)["error"]["code"] == "large_head"
    assert json.loads(answer_to(b"\x16\x03\x01").partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"


def test_large_bodies_and_many_requests_are_not_counted_as_heads() -> None:
    one = HEAD + b"X-A: b\r\n" * 90 + b"Content-Length: 1000000\r\n\r\n" + b"a" * 10**6
    last = HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\nab"
    content = answer_to(*[one] * 12, last)  # of one connection
    assert content.count(b"HTTP/1.1 200 ") == 13
    assert content.count(b"1000000") == 12


@pytest.mark.parametrize(
    "offer", [b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"Connection: upgrade\r\nUPGRADE: websocket\r\n"]
)
def test_an_offer_of_another_protocol_costs_no_body(offer: bytes) -> None:
    first = HEAD + offer + b"Content-Length: 3\r\n\r\nabc"
    chunked = HEAD + offer + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    content = answer_to(first, chunked, HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\na")
    assert [part.rpartition(b"\r\n\r\n")[2] for part in content.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"3",
        b"2",
        b"1",
    ]


@pytest.mark.parametrize("begin", [b"", b"POST / HT", HEAD + b"X-A: b"])
def test_a_head_that_does_not_come_ends_the_connection(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    assert answer_to(begin) == b""  # it is closed, else waiting for it would fail
