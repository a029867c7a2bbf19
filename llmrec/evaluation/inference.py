"""Let one model recommend for every history, and time it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.data import Histories
from llmrec.models.ranker import CHUNK, Ranker
from llmrec.printable import printable

# Latency is taken over this many users, one at a time.
TIMED_USERS = 30

Advance = Callable[[int], None]


@dataclass(frozen=True)
class TimedRecommendations:
    """Recommendations, the seconds that all of them took, and the latency of a request for one user."""

    recs: pl.DataFrame
    seconds: float
    p50_ms: float
    p95_ms: float


def recommend_timed(
    model: Ranker,
    histories: Histories,
    k: int,
    *,
    exclude_seen: bool,
    advance: Advance,
    candidates: Mapping[str, list[str]] | None = None,
) -> TimedRecommendations:
    """Recommend for at least one history, in chunks, then time single requests. Calls ``advance``."""

    def request(part: Histories) -> pl.DataFrame:
        return model.recommend(part, k, exclude_seen=exclude_seen, candidates=candidates)

    model.prepare()
    parts = []
    started = time.perf_counter()
    for start in range(0, len(histories), CHUNK):
        part = histories[start : start + CHUNK]
        parts.append(request(part))
        advance(len(part))
    seconds = time.perf_counter() - started
    single = _single_seconds(request, histories)
    p50, p95 = np.percentile(single, [50, 95]) * 1000
    return TimedRecommendations(pl.concat(parts), seconds, float(p50), float(p95))


def _single_seconds(request: Callable[[Histories], pl.DataFrame], histories: Histories) -> list[float]:
    """Time requests for one user each, spread evenly over the fold."""
    rows = np.linspace(0, len(histories) - 1, min(TIMED_USERS, len(histories))).astype(np.int64)
    seconds = []
    for row in [rows[0], *rows]:  # the first request warms up and is not counted
        one = histories.take([int(row)])
        started = time.perf_counter()
        request(one)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


@contextmanager
def bar(total: int, *, show: bool) -> Iterator[Callable[[str], Advance]]:
    """Draw a progress bar over all queries. Yields a function from a model's name to its Advance."""
    if not show:
        yield lambda name: lambda count: None
        return
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from llmrec.bars import bar_console

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=bar_console()) as drawn:  # stdout is for results
        task = drawn.add_task("evaluating", total=total)

        def named(name: str) -> Advance:
            drawn.update(task, description=f"evaluating {escape(printable(name))}")
            return lambda count: drawn.advance(task, count)

        yield named
