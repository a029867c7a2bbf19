"""``llmrec serve``: answer over HTTP for one run."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from llmrec.cli.arguments import BasePath, Run
from llmrec.cli.output import say
from llmrec.errors import MissingExtra

Host = Annotated[str, typer.Option("--host", help="The address; others than this machine's need LLMREC_API_KEY.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")]
EventsFile = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Where users' events are kept; by default RUN.events.sqlite."),
]
NewDataName = Annotated[
    str,
    typer.Option(
        "--new-data",
        help="If the file holds events taken for a run of other data: replay (they are not in this run's data), "
        "included (they are), or refuse.",
    ),
]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend", help="Who words reasons: auto or template (planned, without an LLM), llm (the run's own)."
    ),
]
BatchSize = Annotated[
    int, typer.Option("--batch", min=1, max=1024, help="Queries answered together at most; 1: none.")
]
Wait = Annotated[
    float, typer.Option("--wait", min=0, max=1000, help="Milliseconds that a query waits for others.")
]
Queue = Annotated[int, typer.Option("--queue", min=1, help="Requests that may wait; more are refused with 429.")]
Deadline = Annotated[float, typer.Option("--deadline", min=0.1, help="Seconds for an answer, else 504.")]
Cache = Annotated[int, typer.Option("--cache", min=0, help="MiB for an LLM's user vectors and sessions.")]


def serve(
    run: Run,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    events: EventsFile = None,
    new_data: NewDataName = "refuse",
    backend: BackendName = "auto",
    batch: BatchSize = 32,
    wait: Wait = 2.0,
    queue: Queue = 256,
    deadline: Deadline = 10.0,
    cache: Cache = 512,
    base: BasePath = None,
) -> None:
    """Answer over HTTP: lists, similar items, reasons and predictions; users' events are taken in.

    With LLMREC_API_KEY set, requests must send it. SIGHUP or POST /reload loads the run anew, SIGTERM ends.
    """
    _require_extra()
    from llmrec.models.runs import require_finished
    from llmrec.serve.security import KEY, check_key
    from llmrec.serve.server import bound, listen
    from llmrec.serve.service import Service
    from llmrec.serve.settings import ServiceSettings

    key = os.environ.get(KEY)
    check_key(key, host)
    require_finished(run)
    listening = bound(host, port)
    with listening:
        settings = ServiceSettings(
            events=events,
            new_data=_one_of(new_data, "--new-data", ("refuse", "replay", "included")),
            base=base,
            backend=_one_of(backend, "--backend", ("auto", "llm", "template")),
            batch=batch,
            wait=wait / 1000,
            queue=queue,
            deadline=deadline,
            cache_bytes=cache * 2**20,
        )
        service = Service(run, settings)
        kind, n_items = service.run.model.kind, len(service.run.model.catalog)
        listen(
            service,
            listening,
            key=key,
            started=lambda url: say(f"serving {run} ({kind}, {n_items:,} items) on {url}"),
        )


def _require_extra() -> None:
    """Raise MissingExtra where what it answers by is not installed."""
    needed = ("fastapi", "prometheus_client", "uvicorn")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"llmrec serve needs {', '.join(missing)}: pip install 'llmrec[serve]'")


def _one_of(word: str, option: str, known: tuple[str, ...]) -> Any:
    """Return a word. Raises DataError for one that is not known."""
    from llmrec.errors import DataError

    if word not in known:
        raise DataError(f"{option} {word}: choose {', '.join(known[:-1])} or {known[-1]}")
    return word
