"""What an index must stand while it changes: threads that search it, and a kill in the middle.

Used by `index_churn.py`. The child adds a pair of items, removes one of it, and so on, and says each change once
it is made; the parent kills it and compares what the folder holds with what such a sequence leaves.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eval.common import ROOT
from llmrec import ItemIndex
from llmrec.arrays import Float32s

K = 10
CHILD = (
    "import sys; from eval.benchmarks.index_stress import change_until_killed; change_until_killed(*sys.argv[1:])"
)


@dataclass
class Log:
    """What searches saw: their seconds, errors, and ids whose removal was acknowledged before a search began.

    ``removed``: the number of the removal of each id; ``n_removed``: how many removals are acknowledged.
    """

    removed: dict[str, int] = field(default_factory=dict)
    n_removed: int = 0
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)


def search_until(stop: threading.Event, index: ItemIndex, queries: Float32s, log: Log, seed: int) -> None:
    """Search for random queries until ``stop``, and log what comes of it."""
    draw = np.random.default_rng(seed)
    while not stop.is_set():
        n_removed, began = log.n_removed, time.perf_counter()
        try:
            ids = index.search(queries[draw.integers(len(queries))], K).ids[0]
            log.seconds.append(time.perf_counter() - began)
            log.returned += [name for name in ids if log.removed.get(name, n_removed) < n_removed]
        except Exception as error:  # whatever it is
            log.errors.append(repr(error))


def recall(index: ItemIndex, queries: Float32s) -> float:
    """Return which share of its results score as high as the last one of an exact search."""
    exact = ItemIndex.build(index.vectors, index.ids, bias=index.biases, kind="flat").search(queries, K).scores
    return float((index.search(queries, K).scores >= exact[:, -1:]).mean())


def change_until_killed(folder: str, name: str) -> None:
    """Change the index in a folder without an end, and print the number of each change that is made."""
    index = ItemIndex.open(folder)
    vectors, bias = np.ones((2, index.facts.dim)), np.zeros(2) if index.facts.biased else None
    number = 0
    while True:
        if number % 2 == 0:
            index.add(vectors, [f"{name}-{number}a", f"{name}-{number}b"], bias=bias)
        else:
            index.remove([f"{name}-{number - 1}a"])
        number += 1
        print(number, flush=True)


def ids_after(name: str, n_changes: int) -> list[str]:
    """Return the ids that so many changes leave, in their order."""
    halves = [(f"{name}-{number}a", f"{name}-{number}b") for number in range(0, n_changes, 2)]
    return [one for start, pair in enumerate(halves) for one in pair[2 * start + 1 < n_changes :]]


def kill(folder: Path, name: str, *, after: int) -> dict[str, Any]:
    """Let a process change an index, kill it after so many changes, and open what is left."""
    ids = ItemIndex.open(folder).ids
    command = [sys.executable, "-c", CHILD, str(folder), name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(after)]
        child.kill()
        said += child.stdout.read().splitlines()
    acknowledged = int(said[-1])
    left = ItemIndex.open(folder).ids
    # It may have been killed between a change and saying so.
    possible = [ids + ids_after(name, acknowledged + more) for more in (0, 1)]
    return {
        "killed after": acknowledged,
        "every change there": left in possible,
        "not acknowledged, there": left == possible[1],
    }
