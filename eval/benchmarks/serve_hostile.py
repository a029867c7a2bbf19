"""Send requests that somebody meant badly to a real `llmrec serve`: each is refused with a 4xx or answered right.

python eval/benchmarks/serve_hostile.py RUN [--requests 2000] [--seed 0] [--workers 8]. The server has a key; every
fourth request comes without it or with a wrong one, which must be 401 whatever else it holds. A request fails for
another status than may be, an answer that is not right, no answer in 90 seconds, or a word that must not leave the
process. At the end the server must answer a list as at the start. RUN is copied and not changed. Writes
serve-hostile.json: outcomes by kind, the server's memory at the start, at most and at the end.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import psutil

import llmrec
from eval.benchmarks.hostile_http import PROTOCOL
from eval.benchmarks.hostile_requests import BODIES, HostileRequest, Target, is_list, post
from eval.benchmarks.hostile_values import KEY, WRONG_KEYS
from eval.benchmarks.serve_load import server
from eval.common import arguments, write_result
from llmrec.printable import printable
from llmrec.serve.security import HEADERS

KINDS = BODIES | PROTOCOL
LIMIT_SECONDS = 90.0
OPTIONS = ("--backend", "template", "--deadline", "60")  # a busy machine is no fault
SECRETS = (KEY.encode(), b"root:", b"Traceback", b'File "')


class Answer(NamedTuple):
    """What came back: status 0 where nothing did."""

    status: int
    headers: dict[str, str]
    content: bytes


@dataclass
class Outcomes:
    """Statuses by kind, what went wrong, and the server's memory over time."""

    statuses: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in KINDS})
    failures: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def hostile_request(number: int, seed: int, target: Target) -> HostileRequest:
    """Draw the request of a number; the kinds come in turn."""
    makers = list(KINDS.values())
    return makers[number % len(makers)](random.Random(f"{seed}:{number}"), target)


def exchange(port: int, request: HostileRequest, key: str | None) -> Answer:
    """Send one request over a connection of its own, and read what comes back."""
    lines = [
        f"{request.method} {request.target} HTTP/1.1" if request.target else request.method,
        "Host: films.example",
    ]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [] if key is None else [f"Authorization: {key}"]
    length = str(len(request.body)) if request.length is None else request.length
    lines += [f"Content-Length: {length}"] if length and (request.body or request.length) else []
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS) as connection:
        with contextlib.suppress(OSError):  # it may be refused before all of it is sent
            if request.pause:
                connection.sendall(head)
                _drip(connection, request)
            else:
                connection.sendall(head + request.body)
        try:
            with HTTPResponse(connection, method=request.method) as response:
                response.begin()
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, headers, response.read())
        except (OSError, HTTPException) as error:
            return Answer(0, {}, repr(error).encode())


def _drip(connection: socket.socket, request: HostileRequest) -> None:
    """Send a body byte by byte; of one that is not whole, blanks until the server has had enough."""
    for n in range(len(request.body)):
        connection.sendall(request.body[n : n + 1])
        time.sleep(request.pause)
    until = time.monotonic() + LIMIT_SECONDS
    connection.setblocking(False)
    while not request.whole and time.monotonic() < until:
        time.sleep(request.pause)
        with contextlib.suppress(BlockingIOError):
            connection.recv(1, socket.MSG_PEEK)
            break
        connection.send(b" ")
    connection.settimeout(LIMIT_SECONDS)


def fault(request: HostileRequest, answer: Answer, statuses: Set[int]) -> str | None:
    """Say what is wrong with an answer; None: nothing."""
    if answer.status not in statuses:
        return f"it was {answer.status or answer.content!r}, not {sorted(statuses)}"
    if any(secret in answer.content for secret in SECRETS):
        return "a word that must not leave the process"
    if any(answer.headers.get(name.lower()) is None for name in HEADERS):
        return "headers for browsers are missing"
    if answer.headers.get("content-type") == "text/event-stream; charset=utf-8":
        return (
            None if b"event: evidence" in answer.content and b'"fault"' not in answer.content else "a bad stream"
        )
    if answer.headers.get("content-type") != "application/json":
        return f"it is {answer.headers.get('content-type')}"
    if request.method == "HEAD" or (request.method == "OPTIONS" and not answer.content):
        return None
    value = json.loads(answer.content)
    if answer.status == 200:
        return (
            None
            if request.right is None or request.right(value)
            else f"the answer is not right: {str(value)[:200]}"
        )
    message = value["error"]["message"]
    return None if message == printable(message, longest=500) != "" else f"the message is {message!r}"


class Attacker:
    """Sends numbered requests to a server and notes what came of them."""

    def __init__(self, port: int, process: psutil.Process, target: Target, seed: int) -> None:
        self._port, self._process, self._target, self._seed = port, process, target, seed
        self.outcomes = Outcomes()

    def send(self, number: int) -> None:
        """Send the request of a number, and what follows it."""
        rng = random.Random(f"key {self._seed}:{number}")
        request = hostile_request(number, self._seed, self._target)
        locked_out = request.parsed and rng.random() < 0.25
        key = rng.choice(WRONG_KEYS) if locked_out else f"Bearer {KEY}"
        answer = self._checked(number, request, key, frozenset({401}) if locked_out else request.statuses)
        if request.afterwards is not None and answer.status == 200:
            self._checked(number, request.afterwards, f"Bearer {KEY}", request.afterwards.statuses)

    def reference(self) -> Any:
        """Return what the server answers to a request that is meant well; it must not change."""
        body = {"user_id": next(iter(self._target.users)), "k": 5, "filter": {"deny": [self._target.victim]}}
        answer = exchange(self._port, post("reference", "/recommend", body), f"Bearer {KEY}")
        rows = json.loads(answer.content)
        assert answer.status == 200 and is_list(5)(rows), answer
        return [(row["item_id"], row["score"]) for row in rows["items"]]

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note the server's memory meanwhile."""
        ending = threading.Event()

        def watch() -> None:
            while not ending.wait(0.1):
                self.outcomes.memory.append(self._process.memory_info().rss)

        self.outcomes.memory.append(self._process.memory_info().rss)
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def _checked(self, number: int, request: HostileRequest, key: str | None, statuses: frozenset[int]) -> Answer:
        answer, tries = Answer(429, {}, b""), 0
        while answer.status == 429 and tries < 100:  # too many at a time is no fault of this one
            time.sleep(0.05 if tries else 0)
            answer, tries = exchange(self._port, request, key), tries + 1
        try:
            wrong = fault(request, answer, statuses)
        except (ValueError, KeyError, TypeError) as error:
            wrong = f"{type(error).__name__}: {error}"
        self.outcomes.statuses[request.kind][answer.status] += 1
        if wrong is not None:
            at = f"{number} ({request.kind}, {request.method} {request.target[:60]}, {request.body[:120]!r})"
            self.outcomes.failures.append(f"{at}: {wrong}")
        return answer


def attack(
    run: Path, *, requests: Sequence[int], seed: int, workers: int, options: Sequence[str] = ()
) -> Outcomes:
    """Serve a copy of a run and send it the requests of these numbers."""
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copytree(run, Path(folder) / "run")
        model = llmrec.load(copied)
        items, users = model.catalog.ids, model.histories.user_ids
        target = Target(items[: max(4, min(50, len(items) - 1))], users[:50], items[-1])
        with server(copied, *OPTIONS, *options, key=KEY) as (port, process, _):
            attacker = Attacker(port, process, target, seed)
            before = attacker.reference()
            with attacker.watching(), ThreadPoolExecutor(workers) as pool:
                list(pool.map(attacker.send, requests))
            if attacker.reference() != before:
                attacker.outcomes.failures.append("the server answers another list than at the start")
    return attacker.outcomes


def table(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Sum the statuses of each kind up."""
    return [
        {
            "kind": kind.replace("_", " "),
            "requests": sum(counts.values()),
            "answered": counts[200],
            "refused": sum(n for status, n in counts.items() if 400 <= status < 500 and status != 401),
            "without_key": counts[401],
            "other": sum(n for status, n in counts.items() if status != 200 and not 400 <= status < 500),
        }
        for kind, counts in outcomes.statuses.items()
    ]


def main() -> None:
    """Attack one run."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=8)
    args = parser.parse_args()
    began = time.perf_counter()
    outcomes = attack(args.run, requests=range(args.requests), seed=args.seed, workers=args.workers)
    memory = [size / 2**30 for size in outcomes.memory]
    sizes = {"start_gib": memory[0], "most_gib": max(memory), "end_gib": memory[-1]}
    write_result(
        args.out / "serve-hostile.json",
        {"What came of them": table(outcomes), "The server's memory": [sizes]},
        settings={"requests": args.requests, "seed": args.seed, "seconds": round(time.perf_counter() - began, 1)},
        details={"failures": outcomes.failures[:50]},
    )
    print(*outcomes.failures[:50], f"{len(outcomes.failures)} failures", sizes, sep="\n")
    raise SystemExit(1 if outcomes.failures else 0)


if __name__ == "__main__":
    main()
