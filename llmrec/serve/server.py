"""Listen: an address, the application, signals. SIGTERM and Ctrl-C answer what was taken, SIGHUP loads anew."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from llmrec.errors import DataError, EnvironmentFault, LlmrecError
from llmrec.runtime import compute_on_one_thread
from llmrec.serve.app import guarded_app
from llmrec.serve.failures import message_of
from llmrec.serve.protocol import BoundedHttp
from llmrec.serve.service import Service

log = logging.getLogger(__name__)

KEEP_ALIVE = 30  # seconds that an idle connection stays


def bound(host: str, port: int) -> socket.socket:
    """Return a socket of an address, before anything large is loaded. Raises DataError and EnvironmentFault."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise DataError(f"--host {host} --port {port} is no address of this machine ({error})") from error
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise DataError(f"port {port} of {host} is in use; choose another with --port") from error
        raise EnvironmentFault(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    return listening


def listen(service: Service, listening: socket.socket, *, key: str | None, started: Callable[[str], None]) -> None:
    """Serve until a signal ends it, which is no error; ``started`` is told the address when it answers."""
    if service.run.model.dtype is None:  # without an LLM a batch is computed before threads have agreed to
        compute_on_one_thread()
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        guarded_app(service, key=key),
        http=BoundedHttp,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=round(service.settings.deadline) + 1,
        lifespan="on",
        ws="none",
    )
    server = _Server(config, service, lambda: started(f"http://{f'[{host}]' if ':' in host else host}:{port}"))
    # uvicorn raises the signal that ended it again.
    earlier = {number: signal.signal(number, _ignored) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        listening.close()


class _Server(uvicorn.Server):
    """Uvicorn, which says when it answers and loads another run at SIGHUP."""

    def __init__(self, config: uvicorn.Config, service: Service, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._started = service, started
        self._reloads: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._begin_reload)
        self._started()

    def _begin_reload(self) -> None:
        task = asyncio.ensure_future(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            run = await self._service.reload("refuse")
        except LlmrecError as error:
            log.warning("%s", message_of(error))
        else:
            log.warning("another run is served now: %s (%s)", run["name"], run["run"])


def _ignored(*_: Any) -> None:
    """Take a signal that was obeyed already."""
