"""Servers on this machine that hang, drip, lie, repeat secrets or send us elsewhere, each by its name.

``BEHAVIORS[name](link)`` answers one connection. Where it is meant to hang, it waits for ``link.over``, which is
set as the server is closed.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

KEY = "sk-hostile-0123456789abcdef"
GOOD = 'We suggest "Final Waltz" because you chose "Amber Gate".'
DRIP_SECONDS = 0.05
MOST_REQUEST = 2**20

# What must never reach a terminal: erase, colour, a title, C1, bells, direction, a line of our own making.
CONTROL = "\x1b[2J\x1b[31m\x1b]0;x\x07\x9b1m\u202e\r\x08\nerror: forged"


@dataclass
class Link:
    """One connection: what was asked, and how to answer."""

    socket: socket.socket
    over: threading.Event
    request: bytes = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hang(self) -> None:
        self.over.wait(60)

    def drip(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            if self.over.wait(DRIP_SECONDS):
                return
            self.send(piece)

    def flood(self, piece: bytes) -> None:
        while not self.over.is_set():
            self.send(piece)


class HostileServer:
    """Answers every connection by one behavior; ``requests`` are those that came whole."""

    def __init__(self, behavior: Callable[[Link], None]) -> None:
        self.behavior, self.over = behavior, threading.Event()
        self.requests: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.05)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> HostileServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):  # it need not wait for somebody to come
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listening.accept()
                if self.over.is_set():
                    connection.close()
                    return
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            link = Link(connection, self.over)
            if not getattr(self.behavior, "unread", False):
                link.request = _request(connection)
                self.requests.append(link.request)
            self.behavior(link)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while len(data) < MOST_REQUEST:
        piece = connection.recv(2**16)
        data += piece
        head, blank, body = data.partition(b"\r\n\r\n")
        sizes = [
            line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        if not piece or (blank and sizes and len(body) >= int(sizes[0])):
            break
    return data


BEHAVIORS: dict[str, Callable[[Link], None]] = {}


def _behavior(act: Callable[[Link], None]) -> Callable[[Link], None]:
    BEHAVIORS[act.__name__] = act
    return act


def _sends(name: str, data: bytes, *, then_hangs: bool = False) -> None:
    def act(link: Link) -> None:
        link.send(data)
        if then_hangs:
            link.hang()

    BEHAVIORS[name] = act


def _drips(name: str, head: bytes, pieces: Callable[[], Iterator[bytes]]) -> None:
    def act(link: Link) -> None:
        link.send(head)
        link.drip(pieces())

    BEHAVIORS[name] = act


def _floods(name: str, head: bytes, piece: bytes) -> None:
    def act(link: Link) -> None:
        link.send(head)
        link.flood(piece)

    BEHAVIORS[name] = act


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return a whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1") + body


def completion(content: object) -> bytes:
    """Return the body of a chat completion."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def endless(piece: bytes) -> Callable[[], Iterator[bytes]]:
    """Return what makes a piece again and again."""
    return lambda: itertools.repeat(piece)


def bytewise(text: bytes) -> Callable[[], Iterator[bytes]]:
    """Return what makes the bytes of a text, one by one, again and again."""
    return lambda: (bytes([one]) for one in itertools.cycle(text))


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# Silence.
_sends("hangs", b"", then_hangs=True)
_sends("hangs_in_the_status", b"HTTP/1.", then_hangs=True)
_sends("hangs_in_the_headers", HEAD + b"Content-Length: 9", then_hangs=True)
_sends("hangs_in_the_body", HEAD + b'Content-Length: 900\r\n\r\n{"choices": [', then_hangs=True)
_sends("hangs_in_a_chunk", CHUNKED + b"100\r\n{", then_hangs=True)
_sends("hangs_after_101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", then_hangs=True)

# A little now and then.
_drips("drips_the_status", b"", bytewise(b"HTTP/1.1 200 " + b"O" * 60))
_drips("drips_a_header", HEAD + b"X-Long: ", endless(b"x"))
_drips("drips_headers", HEAD, endless(b"X-Some: x\r\n"))
_drips("drips_a_folded_header", HEAD + b"X-Folded: x\r\n", endless(b" x\r\n"))
_drips("drips_the_body", HEAD + b"\r\n", endless(b" "))
_drips("drips_a_body_of_known_length", HEAD + b"Content-Length: 100000\r\n\r\n", endless(b" "))
_drips("drips_chunks", CHUNKED, endless(b"1\r\n \r\n"))
_drips("drips_a_chunk_size", CHUNKED, endless(b"0"))
_drips("drips_trailers", CHUNKED + b"1\r\n \r\n0\r\n", endless(b"X-Some: x\r\n"))
_drips("drips_continues", b"", endless(CONTINUE))
_drips("drips_early_hints", b"", endless(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"))

# Without end.
_floods("endless_continues", b"", CONTINUE * 100)
_floods("endless_trailers", CHUNKED + b"1\r\n \r\n0\r\n", b"X-Some: x\r\n" * 1000)
_floods("endless_body", HEAD + b"\r\n", b" " * 2**16)
_floods("endless_chunks", CHUNKED, b"100\r\n" + b" " * 256 + b"\r\n")
_floods("endless_chunk_size", CHUNKED, b"0" * 2**16)
_floods("endless_header", HEAD + b"X-Long: ", b"x" * 2**16)
_floods("endless_headers", HEAD, b"X-Some: x\r\n" * 1000)
_floods("endless_status", b"HTTP/1.1 200 ", b"O" * 2**16)

# No HTTP, or HTTP that lies.
_sends("greets_as_ssh", b"SSH-2.0-OpenSSH_9.6\r\n")
_sends("alerts_as_tls", b"\x15\x03\x01\x00\x02\x02\x46")
_sends("answers_as_http_0_9", completion(GOOD))
_sends("answers_nothing", b"")
_sends("empty", answer(b""))
_sends("no_content", b"HTTP/1.1 204 No Content\r\n\r\n")
_sends("status_999", answer(b"", status="999 Odd"))
_sends("status_of_letters", answer(b"", status="OK fine"))
_sends("negative_length", HEAD + b"Content-Length: -5\r\n\r\n{}")
_sends("absurd_length", HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}")
_sends("two_lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 900\r\n\r\n{}")
_sends("half_a_body", HEAD + b'Content-Length: 900\r\n\r\n{"choices": [')
_sends("negative_chunk", CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n")
_sends("chunk_of_letters", CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n")
_sends("absurd_chunk", CHUNKED + b"f" * 60000 + b"\r\n{}\r\n")
_sends("packed", answer(gzip.compress(b" " * 2**24), headers="Content-Encoding: gzip\r\n"))

# No chat completion, or an odd one.
_sends("garbage", answer(b"\xff\xfe<html>no json" * 3))
_sends("deep_json", answer(b"[" * 100_000))
_sends("deep_objects", answer(b'{"choices":' * 100_000))
_sends("absurd_number", answer(b'{"choices": ' + b"9" * 100_000 + b"}"))
_sends("not_a_number", answer(b'{"choices": [NaN, Infinity]}'))
_sends("no_choice", answer(b'{"choices": []}'))
_sends("choices_of_text", answer(b'{"choices": "abc"}'))
_sends("content_of_null", answer(completion(None)))
_sends("content_of_parts", answer(completion([{"type": "text", "text": GOOD}])))
_sends("event_stream", answer(b"data: " + completion(GOOD) + b"\n\n"))
_sends("content_of_64_kib", answer(completion('We suggest "' * 5500)))
_sends("content_of_2001", answer(completion(GOOD[:-1] + " and" * 486 + ".")))
_sends("content_of_lines", answer(completion("\n" * 500_000)))

# What must not be shown.
_sends("control_in_the_reason", answer(b"", status="503 " + CONTROL.replace("\n", "").replace("\u202e", "")))
_sends("control_in_a_header", answer(b"", status="500 Broken", headers="X-A: \x1b[2J\x9b\r\n"))
_sends("control_in_the_body", answer(CONTROL.encode()))
_sends("control_in_the_content", answer(completion(CONTROL + GOOD)))
_sends(
    "control_within_the_content", answer(completion(GOOD.replace("because", "\x1b[2Jbecause \u202eyou \x9b1m")))
)
_sends("half_characters", answer(completion(GOOD.replace("We", "\ud800 We \udfff"))))
_sends("half_characters_in_quotes", answer(completion('"\ud800" is "Final Waltz".')))
_sends("private_characters", answer(completion("\ue100" + GOOD)))
_sends("key_in_the_reason", answer(b"", status=f"401 who is {KEY}", headers=f"X-Key: {KEY}\r\n"))
_sends("key_in_an_error", answer(json.dumps({"error": f"bad key {KEY}"}).encode(), status="400 Bad Request"))
_sends("key_in_the_body", answer(f"Bearer {KEY}".encode()))
_sends("key_at_the_cut", answer(b" " * 70 + KEY.encode() * 2))
_sends("key_in_the_content", answer(completion(f'We suggest "{KEY}" because {KEY}.')))
_sends("key_in_pieces", answer(completion("We suggest " + " ".join(KEY) + ".")))
_sends("key_in_the_status", f"HTTP/9 {KEY}\r\n\r\n".encode())
_sends("key_as_the_version", f"{KEY}/1.1 200 OK\r\n\r\n".encode())

# Elsewhere.
_sends("to_a_file", answer(b"", status="302 Found", headers="Location: file:///etc/passwd\r\n"))
_sends("to_ftp", answer(b"", status="301 Moved", headers="Location: ftp://127.0.0.1/x\r\n"))
_sends("to_nowhere", answer(b"", status="302 Found"))


@_behavior
def to_itself(link: Link) -> None:
    """Redirect for ever."""
    port = link.socket.getsockname()[1]
    to = f"Location: http://127.0.0.1:{port}/v1/chat/completions\r\n"
    link.send(answer(b"", status="307 Temporary Redirect", headers=to))


@_behavior
def asks_for_a_password(link: Link) -> None:
    """Ask for another authentication."""
    link.send(answer(b"", status="401 Unauthorized", headers='WWW-Authenticate: Basic realm="\x1b[2J"\r\n'))


@_behavior
def resets(link: Link) -> None:
    """End by a reset."""
    link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@_behavior
def never_reads(link: Link) -> None:
    """Take the connection and nothing else."""
    link.hang()


never_reads.unread = True  # type: ignore[attr-defined]


@_behavior
def closes_at_once(link: Link) -> None:
    """Close before anything is read."""


closes_at_once.unread = True  # type: ignore[attr-defined]
