"""Try many changed runs, each in a process of its own with a limit of time and memory."""

from __future__ import annotations

import ast
import contextlib
import os
import resource
import select
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil
from hostile.attempt import WELL, Outcome, ask, judged, watched
from hostile.changes import Changed, changed_run

# Of computing; where a child waits for a processor, or for something else, it may take PATIENCE times as long.
LIMIT_SECONDS = 10.0
PATIENCE = 9
LIMIT_BYTES = 12 * 2**30


@dataclass
class _Child:
    number: int
    pid: int
    pipe: int
    folder: Path
    changed: Changed | None = None
    began: float = 0.0


def outcomes(numbers: Iterable[int], runs: Mapping[str, Path], *, processes: int = 2) -> Iterator[Outcome]:
    """Try the changed runs of these numbers. Modules must be imported, and no thread running, before."""
    waiting, children = iter(numbers), list[_Child]()
    with tempfile.TemporaryDirectory(prefix="hostile-") as work:
        while True:
            new = islice(waiting, processes - len(children))
            children += [_started(number, runs, Path(work) / str(number)) for number in new]
            if not children:
                return
            time.sleep(0.01)
            over = [(child, outcome) for child in children if (outcome := _outcome(child)) is not None]
            for child, outcome in over:
                children.remove(child)
                shutil.rmtree(child.folder, ignore_errors=True)
                yield outcome


def _started(number: int, runs: Mapping[str, Path], folder: Path) -> _Child:
    folder.mkdir(parents=True)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(number, pid, reading, folder)
    code = 99
    try:
        os.close(reading)
        code = _in_child(number, runs, folder, writing)
    finally:
        os._exit(code)


def _in_child(number: int, runs: Mapping[str, Path], folder: Path, pipe: int) -> int:
    output = os.open(folder / "output", os.O_CREAT | os.O_WRONLY, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    with watched(folder):
        changed = changed_run(number, runs, folder / "run")
        os.write(pipe, repr(tuple(changed)).encode())
        os.close(pipe)
        code, printed = ask(folder / "run", number)
    os.write(1, printed.encode("utf-8", errors="replace"))
    return code


def _outcome(child: _Child) -> Outcome | None:
    """Return how a child ended, None while it goes on; its time counts from when the run is changed."""
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if child.changed is None and select.select([child.pipe], [], [], 0)[0]:
        said = os.read(child.pipe, 65536).decode()
        os.close(child.pipe)
        child.changed = Changed(*ast.literal_eval(said)) if said else Changed("?", "could not be changed", False)
        child.began = time.monotonic()
    code: int | None = os.waitstatus_to_exitcode(status) if pid else None
    if not pid:
        waited = time.monotonic() - child.began
        if child.changed is None or waited < LIMIT_SECONDS:
            return None
        if waited < PATIENCE * LIMIT_SECONDS and _computed(child) < LIMIT_SECONDS:
            return None
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
    assert child.changed is not None
    output = (child.folder / "output").read_text(encoding="utf-8", errors="replace")
    return judged(child.number, child.changed, code, output, child.folder)


def _computed(child: _Child) -> float:
    """Return the seconds that a child has computed for, its threads together."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(child.pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def report(results: Iterable[Outcome], *, show_all: bool = False) -> int:
    """Print each outcome that may not be, and how many there were of each kind. Returns how many may not be."""
    counts: Counter[str] = Counter()
    for outcome in results:
        counts[outcome.result] += 1
        if show_all or outcome.result not in WELL:
            print(outcome, flush=True)
    print(", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    return sum(count for result, count in counts.items() if result not in WELL)
