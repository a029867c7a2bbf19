"""Index rows, and measure the recall that is reached against exact search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Float32s, Float64s
from llmrec.retrieval.exact import exact_search, unit_rows
from llmrec.retrieval.index_files import IndexFacts
from llmrec.retrieval.kinds import memory_bytes
from llmrec.retrieval.searcher import Searcher
from llmrec.retrieval.searchers import SEARCHERS
from llmrec.retrieval.snapshot import Built, Snapshot

# Recall is measured on so many queries. A search reads as much as brings the lower end of the interval of the mean
# (one-sided, 95 %) to this, so that other queries reach it, too.
QUERIES, RECALL, STANDARD_ERRORS = 512, 0.98, 1.645
# An index that takes changes may lose so much of the recall it had, or of ``RECALL``; else it is built anew.
MOST_LOST = 0.02


def index_rows(
    rows: Float32s, names: pl.Series, facts: IndexFacts, *, queries: Float32s | None = None
) -> tuple[Built, IndexFacts]:
    """Index rows [n, width] by their ids as ``facts`` say; return them with the facts of what was built.

    ``queries`` [m, width]: on which recall is measured, by default sampled rows of unit length. Raises DataError
    where there are too few rows.
    """
    began = time.monotonic()
    searcher = SEARCHERS[facts.kind].build(rows, bytes_per_item=facts.bytes_per_item)
    memory = memory_bytes(facts.kind, *rows.shape, bytes_per_item=facts.bytes_per_item)
    facts = facts.model_copy(update={"n": len(rows), "memory_bytes": memory})
    built, facts = _measured(Built(searcher, names), facts, queries)
    return built, facts.model_copy(update={"seconds": round(time.monotonic() - began, 2)})


def index_changes(snapshot: Snapshot, facts: IndexFacts) -> tuple[Built, IndexFacts] | None:
    """Index what is left of a snapshot as ``index_rows`` does, but learn nothing anew; None where that must be.

    A graph takes what was added, lists also leave out what was removed.
    """
    n, left = snapshot.n_built, snapshot.left
    added = snapshot.added_rows if left is None else snapshot.added_rows[left[n:]]
    of_built = None if left is None or left[:n].all() else left[:n]
    return _changed(snapshot, facts, added, snapshot.names, of_built)


def index_added(snapshot: Snapshot, facts: IndexFacts) -> tuple[Built, IndexFacts] | None:
    """Index the added rows of a snapshot, removed ones included, which stay numbered; None where it cannot be."""
    ids = pl.Series(snapshot.tail.ids[: snapshot.n_tail].tolist(), dtype=pl.String)
    names = snapshot.built.names.clone().append(ids)
    return _changed(snapshot, facts, snapshot.added_rows, names, None)


def _changed(
    snapshot: Snapshot, facts: IndexFacts, added: Float32s, names: pl.Series, left: Bools | None
) -> tuple[Built, IndexFacts] | None:
    searcher = snapshot.built.searcher.grown(added, left)
    if searcher is None:
        return None
    memory = memory_bytes(facts.kind, *searcher.rows.shape, bytes_per_item=facts.bytes_per_item)
    changed = facts.model_copy(update={"n": len(searcher.rows), "memory_bytes": memory})
    built, changed = _measured(Built(searcher, names.rechunk()), changed, None)
    before, now = (RECALL if one.recall_at_10 is None else one.recall_at_10 for one in (facts, changed))
    return None if now < min(before, RECALL) - MOST_LOST else (built, changed)


def _measured(built: Built, facts: IndexFacts, queries: Float32s | None) -> tuple[Built, IndexFacts]:
    """Measure recall@10 against exact search; read as much of an index as brings it to ``RECALL``."""
    if facts.kind == "flat":
        return built, facts.model_copy(update={"recall_at_10": 1.0})
    rows, searcher = built.searcher.rows, built.searcher
    queries = _sampled(rows, facts) if queries is None else queries
    k = min(10, len(rows))
    _, exact = exact_search(rows, queries, k)
    recalls: dict[int, Float64s] = {}

    def reaches(effort: int) -> bool:
        tried = Snapshot.of(_reading(built, effort))
        recalls[effort] = _recalls(tried.nearest(queries, k)[1], exact)
        return _lower_end(recalls[effort]) >= RECALL

    effort = _least_effort(searcher, reaches)
    recall = round(float(recalls[effort].mean()), 4)
    reached = {"recall_at_10": recall, "n_queries": len(queries), "effort": effort}
    return _reading(built, effort), facts.model_copy(update=reached)


def _reading(built: Built, effort: int) -> Built:
    """Return what was built as it reads so much; itself, with what it holds in a GPU, where it does already."""
    if effort == built.searcher.effort:
        return built
    return Built(replace(built.searcher, effort=effort), built.names)


def _sampled(rows: Float32s, facts: IndexFacts) -> Float32s:
    """Return some of the rows as queries: of unit length, and with a 1 for the bias."""
    chosen = np.random.default_rng(0).choice(len(rows), min(QUERIES, len(rows)), replace=False)
    queries = unit_rows(np.asarray(rows[np.sort(chosen), : facts.dim]))
    if facts.biased:
        queries = np.concatenate([queries, np.ones((len(queries), 1), dtype=np.float32)], axis=1)
    return queries


def _least_effort(searcher: Searcher, reaches: Callable[[int], bool]) -> int:
    """Return the least effort that reaches what is asked for, within an eighth; else the most there is.

    No less than the searcher's: raised by half until it reaches it, then lowered by halves of the last raise.
    """
    low = high = searcher.effort
    while not reaches(high):
        if high >= searcher.most_effort:
            return high
        low, high = high, min(high + max(high // 2, 1), searcher.most_effort)
    while high - low > max(low // 8, 1):
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _recalls(scores: Float32s, exact: Float32s) -> Float64s:
    """Return which share of each query's results [n, k] scores as high as its last exact one.

    Of equal vectors any will do.
    """
    rounding = 1e-5 * np.abs(exact).max(axis=1, keepdims=True)
    return np.asarray((scores >= exact[:, -1:] - rounding).mean(axis=1))


def _lower_end(recalls: Float64s) -> float:
    """Return the lower end of the interval of a mean over queries."""
    return float(recalls.mean() - STANDARD_ERRORS * recalls.std() / len(recalls) ** 0.5)
