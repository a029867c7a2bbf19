"""Requests that are bad HTTP, slow, never whole or of another kind; the same for the same generator and run."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace

from eval.benchmarks import hostile_values as values
from eval.benchmarks.hostile_requests import EITHER, JSON, HostileRequest, Maker, Target, answered_body, post

PROTOCOL: dict[str, Maker] = {}
CHUNKED = ("Transfer-Encoding", "chunked")
BAD = frozenset({400})


def _kind(make: Maker) -> Maker:
    PROTOCOL[make.__name__.strip("_")] = make
    return make


@_kind
def _addresses(rng: random.Random, target: Target) -> HostileRequest:
    method = rng.choice(["POST", "DELETE", "PUT", "PATCH", "TRACE", "OPTIONS"])
    return HostileRequest("addresses", method, rng.choice(values.ADDRESSES), b"{}")


@_kind
def _content_types(rng: random.Random, target: Target) -> HostileRequest:
    path, body = answered_body(rng, target)
    headers = (("Content-Type", rng.choice(values.CONTENT_TYPES)),) if rng.random() < 0.9 else ()
    return post("content_types", path, body, headers=headers, statuses=frozenset({415}))


@_kind
def _header_bombs(rng: random.Random, target: Target) -> HostileRequest:
    path, body = answered_body(rng, target)
    request = post("header_bombs", path, body, statuses=frozenset({431}), parsed=False)
    if rng.random() < 0.2:
        return replace(request, target=f"{path}?{'a' * 100_000}")
    return replace(request, headers=(JSON, *rng.choice(values.HEADER_BOMBS)))


@_kind
def _odd_headers(rng: random.Random, target: Target) -> HostileRequest:
    path, body = answered_body(rng, target)
    if rng.random() < 0.3:
        headers = (JSON, rng.choice(values.BAD_HEADERS))
        return post("odd_headers", path, body, headers=headers, statuses=EITHER, parsed=False)
    return post("odd_headers", path, body, headers=(JSON, rng.choice(values.ODD_HEADERS)), statuses=EITHER)


@_kind
def _lengths(rng: random.Random, target: Target) -> HostileRequest:
    path, body = answered_body(rng, target)
    length = rng.choice(["-1", "abc", "9" * 30, "+5", "5, 6", "1048577", "0x10", "1e3"])
    parsed, statuses = length == "1048577", frozenset({400, 413})
    return post("lengths", path, body, length=length, whole=False, parsed=parsed, statuses=statuses)


@_kind
def _smuggled(rng: random.Random, target: Target) -> HostileRequest:
    encoding = rng.choice(["chunked", "gzip, chunked", "xchunked", "identity", "chunked, chunked"])
    content = rng.choice(
        [
            b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            b"zz\r\n{}\r\n0\r\n\r\n",
            b"-2\r\n{}\r\n",
            b"f" * 40 + b"\r\n{}",
        ]
    )
    headers = (JSON, ("Transfer-Encoding", encoding))
    return HostileRequest("smuggled", "POST", "/recommend", content, headers, parsed=False, statuses=BAD)


@_kind
def _chunks(rng: random.Random, target: Target) -> HostileRequest:
    content = rng.choice(
        [
            b"1\r\n \r\n" * 300_000,
            (b"10000\r\n" + b" " * 2**16 + b"\r\n") * 40,
            b"2;" + b"a" * 9_000_000,
            b"2\r\n{}\r\n0\r\n" + b"X-A: b\r\n" * 20_000,
            b"2\r\n{}\r\n0\r\nX-A: " + b"b" * 100_000,
        ]
    )
    statuses = frozenset({400, 413, 431})
    body = content + b"\r\n0\r\n\r\n"
    return HostileRequest("chunks", "POST", "/recommend", body, (JSON, CHUNKED), statuses, length="", parsed=False)


@_kind
def _compressed(rng: random.Random, target: Target) -> HostileRequest:
    content = gzip.compress(rng.choice([b" " * 2**24, json.dumps({"history": []}).encode()]))
    encoding = ("Content-Encoding", rng.choice(["gzip", "br", "deflate", "gzip, gzip"]))
    return HostileRequest("compressed", "POST", "/recommend", content, (JSON, encoding))


@_kind
def _slow(rng: random.Random, target: Target) -> HostileRequest:
    """One in sixteen never sends the rest, which takes ten seconds; the others end too early."""
    path, body = answered_body(rng, target)
    content = json.dumps(body).encode()
    if rng.random() < 1 / 16:
        pause, statuses = rng.choice([0.2, 2.0]), frozenset({408})
        return post("slow", path, content[:4], length="1000", whole=False, pause=pause, statuses=statuses)
    return post("slow", path, content[:-1], statuses=BAD, pause=rng.choice([0, 0, 0, 0, 0.001]))


@_kind
def _no_http(rng: random.Random, target: Target) -> HostileRequest:
    line = rng.choice(
        [
            "\x16\x03\x01\x02",
            "SSH-2.0-x",
            "GET",
            "GET / HTTP/9.9",
            "PRI * HTTP/2.0",
            "\x00\x00\x00",
            "GET /\x80 HTTP/1.1",
        ]
    )
    return HostileRequest("no_http", line, "", headers=(), parsed=False, statuses=BAD)


@_kind
def _methods(rng: random.Random, target: Target) -> HostileRequest:
    known = rng.random() < 0.7
    method = rng.choice(
        ["PATCH", "TRACE", "OPTIONS", "PROPFIND", "DELETE"] if known else ["BREW", "get", "CONNECT"]
    )
    address = rng.choice(["/recommend", "/events", "/metrics"])
    return HostileRequest("methods", method, address, headers=(), parsed=known, statuses=frozenset({400, 405}))
