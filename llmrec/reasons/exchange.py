"""HTTP requests within a deadline that holds whatever the server does, and that can be aborted."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

_PIECE = 2**14
_POLL_SECONDS = 0.1

Given = TypeVar("Given")
Made = TypeVar("Made")


class TooLong(Exception):
    """The answer is longer than it may be."""


class DeadlineClient:
    """Posts to addresses, through the proxies of the environment; ``most`` bytes of an answer are read.

    The timeout of a socket bounds one operation, so that a server which drips a byte a second, or repeats "100
    Continue", never runs into it. Here each request has a thread, which is given up at the deadline, and ends as
    its connection is cut.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._opener = urllib.request.build_opener(_StayHere(), _Plain(), _Encrypted(_trusted()))
        self._open, self._lock = set[_Connection](), threading.Lock()

    def post(self, url: str, body: bytes, headers: dict[str, str], deadline: float) -> bytes:
        """Return the body of the answer. ``deadline``: by ``time.monotonic``. Redirects are not followed.

        Raises TimeoutError at the deadline or after ``abort``, HTTPError for another status than 2xx, TooLong,
        OSError or HTTPException for what goes wrong underneath.
        """
        request = _Request(url, data=body, headers=headers, method="POST")
        request.connection = connection = _Connection()
        future: Future[bytes] = Future()
        timeout = max(0.01, deadline - time.monotonic())
        with self._lock:
            self._open.add(connection)
        threading.Thread(target=self._settle, args=(future, request, timeout), daemon=True).start()
        try:
            return future.result(timeout)
        finally:
            connection.cut()
            with self._lock:
                self._open.discard(connection)

    def abort(self) -> None:
        """Cut every connection, from any thread."""
        with self._lock:
            for connection in self._open:
                connection.cut()

    def _settle(self, future: Future[bytes], request: urllib.request.Request, timeout: float) -> None:
        try:
            future.set_result(self._read(request, timeout))
        except BaseException as error:
            future.set_exception(error)

    def _read(self, request: urllib.request.Request, timeout: float) -> bytes:
        pieces, size = [], 0
        with self._opener.open(request, timeout=timeout) as answer:
            while piece := answer.read1(_PIECE):
                size += len(piece)
                if size > self._most:
                    raise TooLong
                pieces.append(piece)
        return b"".join(pieces)


def each(
    work: Callable[[Given], Made], items: Sequence[Given], *, threads: int, stop: Callable[[], None]
) -> list[Made]:
    """Do the work for each item, ``threads`` at a time; neither Ctrl-C nor the end of Python waits for them.

    ``stop`` is called on Ctrl-C, before that is raised. What the work raises is raised here, too.
    """
    results: dict[int, Made] = {}
    failures: list[BaseException] = []
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    for n in range(len(items)):
        left.put(n)

    def run() -> None:
        try:
            while not failures:
                n = left.get_nowait()
                results[n] = work(items[n])
        except queue.Empty:
            pass
        except BaseException as error:
            failures.append(error)

    pool = [threading.Thread(target=run, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for thread in pool:
            thread.start()
        for thread in pool:
            while thread.is_alive():
                thread.join(_POLL_SECONDS)
    except BaseException:
        stop()
        raise
    if failures:
        raise failures[0]
    return [results[n] for n in range(len(items))]


class _Connection:
    """A connection that can be cut from any thread: whoever reads from it gets no more."""

    def __init__(self) -> None:
        self._lock, self._is_cut = threading.Lock(), False
        self._socket: socket.socket | None = None

    def made(self, connected: socket.socket) -> None:
        """Take the socket. Raises TimeoutError if the connection is cut already."""
        with self._lock:
            self._socket = connected
            is_cut = self._is_cut
        if is_cut:
            self.cut()
            raise TimeoutError

    def cut(self) -> None:
        """Cut it, now or as soon as it is made."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # closed already
                    self._socket.shutdown(socket.SHUT_RDWR)


class _Request(urllib.request.Request):
    connection: _Connection


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key would go along to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _PlainConnection(http.client.HTTPConnection):
    def __init__(self, *args: Any, connection: _Connection, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connection = connection

    def connect(self) -> None:
        super().connect()
        self._connection.made(self.sock)


class _EncryptedConnection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, connection: _Connection, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connection, self._is_connected = connection, False

    def connect(self) -> None:
        try:
            super().connect()
        except BaseException:
            self._drop()
            raise
        self._is_connected = True
        self._connection.made(self.sock)

    def close(self) -> None:
        if not self._is_connected:
            self._drop()
        super().close()

    def _drop(self) -> None:
        """Close the socket whoever reads from it: Python 3.11.2 leaves half an answer of a proxy open."""
        if self.sock is not None and (number := self.sock.detach()) >= 0:
            socket.close(number)


@cache  # the system's certificates are read in tens of milliseconds
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: Any) -> Any:
        return self.do_open(_PlainConnection, req, connection=req.connection)  # type: ignore[arg-type]


class _Encrypted(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._trusted = context

    def https_open(self, req: Any) -> Any:
        options = {"context": self._trusted, "connection": req.connection}
        return self.do_open(_EncryptedConnection, req, **options)  # type: ignore[arg-type]
