"""A service for tests: in this process, or as the real command on a free port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from llmrec.data import Dataset, toy_films

NEEDS = "the extra is not installed: pip install 'llmrec[serve]'"


def films_with_years() -> Dataset:
    """12 films, 30 users; every film has another year."""
    data = toy_films(n_items=12, n_users=30)
    items = data.catalog.table.with_row_index("year", offset=1990)
    return Dataset.from_tables(data.events, items=items, name="films")


class Served(NamedTuple):
    """A client and the service that it asks."""

    client: Any
    service: Any

    def post(self, path: str, **body: object) -> Any:
        """Send JSON. Returns the answer's JSON; any other status than 200 is an error of the test."""
        response = self.client.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path: str, status: int, **body: object) -> str:
        """Send JSON that is refused with a status. Returns its one line."""
        response = self.client.post(path, json=body)
        assert response.status_code == status, response.text
        assert set(response.json()) == {"error"}
        message: str = response.json()["error"]["message"]
        assert message and "\n" not in message
        return message

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 where it was never counted."""
        return float(self.service.metrics.registry.get_sample_value(name, labels) or 0)


@contextmanager
def served(
    run: Path, events: Path, *, key: str | None = None, body_seconds: float = 10, **options: Any
) -> Iterator[Served]:
    """Serve a run in this process; ``options`` are those of ServiceSettings."""
    from starlette.testclient import TestClient

    from llmrec.serve.app import guarded_app
    from llmrec.serve.service import Service
    from llmrec.serve.settings import ServiceSettings

    settings = ServiceSettings(**{"events": events, "backend": "template", **options})
    service = Service(run, settings)
    app = guarded_app(service, key=key, body_seconds=body_seconds)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield Served(client, service)


class Process(NamedTuple):
    """A running ``llmrec serve``, and where it answers."""

    popen: subprocess.Popen[str]
    url: str

    def post(self, path: str, **body: object) -> Any:
        """Send JSON and return JSON. Raises OSError where there is no answer, HTTPError for a refusal."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read())
        except HTTPException as error:  # killed in the middle of an answer
            raise ConnectionError(str(error)) from error

    def get(self, path: str) -> str:
        """Return the text at a path."""
        with urllib.request.urlopen(self.url + path, timeout=60) as response:
            text: str = response.read().decode()
        return text

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(timeout=60)


@contextmanager
def process(run: Path, *options: str) -> Iterator[Process]:
    """Start ``llmrec serve`` on a free port, and kill it at the end if it still runs."""
    words = [sys.executable, "-m", "llmrec", "serve", str(run), "--port", "0", *options]
    env = {name: value for name, value in os.environ.items() if name != "LLMREC_API_KEY"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as popen:
        try:
            assert popen.stdout is not None and popen.stderr is not None
            line = popen.stdout.readline()
            assert " on http" in line, line + popen.stderr.read()
            yield Process(popen, line.split()[-1])
        finally:
            popen.kill()
