"""Load a real `llmrec serve` on loopback: mixed calls by many clients, with micro-batches and without, in one run.

python eval/benchmarks/serve_load.py RUN [--clients 32] [--seconds 300] [--hot 0.8] [--mix lists|mixed]
A closed loop: every client asks again when it is answered. ``--hot`` of the lists are for 64 users whose vectors
the service remembers once it is warm, the others for histories that it has not seen. Of mixed calls one in ten is
about similar items, titles, or an event of such a user. Latencies are the clients', in one process beside the
server's, on the same cores. Writes NAME.json (--name serve-load).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import llmrec
from eval.common import arguments, write_result
from llmrec.serve.security import KEY

HOT_USERS = 64
GROWTH_SECONDS = 180
SOURCE = 'llmrec_user_vectors_total{{source="{}"}}'
MODES: dict[str, list[str]] = {"micro-batches": [], "one by one": ["--batch", "1"]}
Call = tuple[str, str, dict[str, Any]]  # what it is called in the result, the path, the body


@dataclass
class Load:
    """What the clients met: seconds by kind of call, statuses; the server's memory by second.

    ``warm`` and ``metrics``: the server's metrics once it was warm, and at the end.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    warm: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def counted(self, name: str) -> float:
        """Return how much a counter rose under load."""
        return self.metrics.get(name, 0.0) - self.warm.get(name, 0.0)


class Calls:
    """Draws calls for one client from a run's users."""

    def __init__(self, model: llmrec.models.Recommender, *, hot: float, mixed: bool, seed: int) -> None:
        self._random, self._hot, self._mixed = random.Random(seed), hot, mixed
        self._users, self._items = model.histories.user_ids, model.catalog.ids
        self._hot_users = random.Random(0).sample(self._users, min(HOT_USERS, len(self._users)))
        self._histories, self._similar = model.histories, model.item_vectors() is not None

    def warm_up(self) -> list[Call]:
        """Return a list for each of the users who come back."""
        return [("warm", "/recommend", {"user_id": user}) for user in self._hot_users]

    def __next__(self) -> Call:
        """Draw a call."""
        draw, user = self._random.random(), self._random.choice(self._hot_users)
        if self._mixed and draw < 0.1:
            item = self._random.choice(self._items)
            if draw < 0.04 and self._similar:
                return "similar", "/similar", {"item_ids": [item]}
            if draw < 0.07:
                return "items", "/items?query=the", {}
            return "event", "/events", {"user_id": user, "events": [{"item_id": item}]}
        if self._random.random() < self._hot:
            return "list, remembered", "/recommend", {"user_id": user}
        row = self._random.randrange(len(self._users))
        items = [*self._histories.items(row)[-50:], self._random.choice(self._items)]
        return "list, not remembered", "/recommend", {"history": items}


async def call(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    body: dict[str, Any],
    key: str | None = None,
) -> tuple[int, bytes]:
    """Send one request over an open connection. Returns the status and the content of the answer."""
    content = json.dumps(body).encode() if body else b""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
    head += "" if key is None else f"Authorization: Bearer {key}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + content)
    headers = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(headers.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(headers.split(b" ", 2)[1]), await reader.readexactly(length)


async def client(port: int, calls: Calls, load: Load, until: float) -> None:
    """Ask until the time is over; a refusal for now is asked again a little later."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        name, path, body = next(calls)
        began = time.perf_counter()
        status, _ = await call(reader, writer, path, body)
        load.seconds[name].append(time.perf_counter() - began)
        load.statuses[status] += 1
        if status == 429:
            await asyncio.sleep(0.1)
    writer.close()


async def watch(process: psutil.Process, load: Load, until: float) -> None:
    """Note the server's memory once a second."""
    while time.perf_counter() < until:
        load.memory.append(process.memory_info().rss)
        await asyncio.sleep(1)


async def loaded(port: int, process: psutil.Process, every: list[Calls], seconds: float) -> Load:
    """Warm the service up, then have all clients ask for so many seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _, path, body in every[0].warm_up():
        await call(reader, writer, path, body)
    writer.close()
    load = Load(warm=await metrics_of(port))
    until = time.perf_counter() + seconds
    clients = [client(port, calls, load, until) for calls in every]
    await asyncio.gather(watch(process, load, until), *clients)
    load.metrics = await metrics_of(port)
    return load


async def metrics_of(port: int) -> dict[str, float]:
    """Read the server's metrics."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _, text = await call(reader, writer, "/metrics", {})
    writer.close()
    pairs = (line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


@contextmanager
def server(
    run: Path, *options: str, key: str | None = None, events: Path | None = None
) -> Iterator[tuple[int, psutil.Process, float]]:
    """Serve a run. Yields port, process, and seconds from its start to its first answer."""
    env = {name: value for name, value in os.environ.items() if name != KEY} | ({} if key is None else {KEY: key})
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        words = ["serve", str(run), "--port", "0", "--events", str(events or f"{folder}/events.sqlite"), *options]
        command = [sys.executable, "-m", "llmrec", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as popen:
            try:
                assert popen.stdout is not None
                port = int(popen.stdout.readline().rsplit(":", 1)[1])
                asyncio.run(first_answer(port, key))
                yield port, psutil.Process(popen.pid), time.perf_counter() - began
            finally:
                popen.send_signal(signal.SIGTERM)


async def first_answer(port: int, key: str | None) -> None:
    """Ask for a list of nobody."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    status, _ = await call(reader, writer, "/recommend", {"history": []}, key)
    assert status == 200
    writer.close()


def row_of(mode: str, load: Load, *, seconds: float, cpu: float, start: float) -> dict[str, Any]:
    """Sum one load up. Growth: of the memory in the last three minutes, or three fifths of a shorter time.

    ``from_cache``: the share of an LLM's user vectors that were remembered or advanced by a session.
    """
    lists = np.array([one for name, every in load.seconds.items() if name.startswith("list") for one in every])
    size, count = (load.counted(f"llmrec_batch_size_{name}") for name in ("sum", "count"))
    warm = load.memory[-max(1, min(GROWTH_SECONDS, 3 * len(load.memory) // 5))]
    sources = {name: load.counted(SOURCE.format(name)) for name in ("memory", "session", "model")}
    vectors = sum(sources.values())
    return {
        "mode": mode,
        "calls_per_second": sum(load.statuses.values()) / seconds,
        "lists_per_second": len(lists) / seconds,
        "busy_429": load.statuses[429],
        "errors": sum(count for status, count in load.statuses.items() if status not in {200, 429}),
        "lists_per_batch": size / count,
        "from_cache": 1 - sources["model"] / vectors if vectors else None,
        "server_cores": cpu / seconds,
        "memory_gib": load.memory[-1] / 2**30,
        "memory_growth": load.memory[-1] / warm - 1,
        "start_seconds": start,
    }


def percentiles(mode: str, load: Load) -> Iterator[dict[str, Any]]:
    """Yield the latencies of each kind of call."""
    for name, every in sorted(load.seconds.items()):
        p50, p95, p99 = 1000 * np.percentile(every, [50, 95, 99])
        times = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "p99_over_p50": p99 / p50}
        yield {"mode": mode, "call": name, "calls": len(every), **times}


def measure(
    run: Path, *, clients: int, seconds: float, hot: float, mixed: bool
) -> dict[str, list[dict[str, Any]]]:
    """Load the service with batches and without. Returns tables by title."""
    model = llmrec.load(run)
    rows: list[dict[str, Any]] = []
    latencies: list[dict[str, Any]] = []
    for mode, options in MODES.items():
        every = [Calls(model, hot=hot, mixed=mixed, seed=n) for n in range(clients)]
        with server(run, *options) as (port, process, start):
            before = sum(process.cpu_times()[:2])
            load = asyncio.run(loaded(port, process, every, seconds))
            cpu = sum(process.cpu_times()[:2]) - before
        rows.append(row_of(mode, load, seconds=seconds, cpu=cpu, start=start))
        latencies += percentiles(mode, load)
        print(rows[-1])
    rows[0]["times_one_by_one"] = rows[0]["calls_per_second"] / rows[-1]["calls_per_second"]
    return {"Service under load": rows, "Latencies by kind of call": latencies}


def main() -> None:
    """Measure one run."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--hot", type=float, default=0.8)
    parser.add_argument("--mix", choices=("lists", "mixed"), default="mixed")
    parser.add_argument("--name", default="serve-load")
    args = parser.parse_args()
    sections = measure(
        args.run, clients=args.clients, seconds=args.seconds, hot=args.hot, mixed=args.mix == "mixed"
    )
    settings = {"clients": args.clients, "seconds": args.seconds, "hot": args.hot, "mix": args.mix}
    write_result(args.out / f"{args.name}.json", sections, settings=settings)


if __name__ == "__main__":
    main()
