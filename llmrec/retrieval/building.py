"""Index rows, and measure the recall that is reached against exact search."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Float32s
from llmrec.retrieval.exact import exact_search, unit_rows
from llmrec.retrieval.index_files import IndexFacts
from llmrec.retrieval.kinds import memory_bytes
from llmrec.retrieval.searchers import SEARCHERS
from llmrec.retrieval.snapshot import Built, Snapshot

# Recall is measured on so many queries; how much a search reads is raised by half until it reaches this.
QUERIES, RECALL = 256, 0.98
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
    """Measure recall@10 against exact search; read the more of an index until it reaches ``RECALL``."""
    if facts.kind == "flat":
        return built, facts.model_copy(update={"recall_at_10": 1.0})
    rows = built.searcher.rows
    if queries is None:
        chosen = np.random.default_rng(0).choice(len(rows), min(QUERIES, len(rows)), replace=False)
        queries = unit_rows(np.asarray(rows[np.sort(chosen), : facts.dim]))
        if facts.biased:
            queries = np.concatenate([queries, np.ones((len(queries), 1), dtype=np.float32)], axis=1)
    k = min(10, len(rows))
    _, exact = exact_search(rows, queries, k)
    while True:
        recall = _recall(Snapshot.of(built).nearest(queries, k)[1], exact)
        effort = built.searcher.effort
        if recall >= RECALL or effort >= built.searcher.most_effort:
            break
        effort = min(effort * 3 // 2, built.searcher.most_effort)
        built = Built(replace(built.searcher, effort=effort), built.names)
    reached = {"recall_at_10": round(recall, 4), "n_queries": len(queries), "effort": effort}
    return built, facts.model_copy(update=reached)


def _recall(scores: Float32s, exact: Float32s) -> float:
    """Return which share of results [n, k] score as high as the last exact one: of equal vectors any will do."""
    rounding = 1e-5 * np.abs(exact).max(axis=1, keepdims=True)
    return float((scores >= exact[:, -1:] - rounding).mean())
