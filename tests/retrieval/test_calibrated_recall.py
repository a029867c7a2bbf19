"""How much of an index a search reads: no more than it takes, and enough for queries that it was not chosen by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec.arrays import Float32s
from llmrec.retrieval import ItemIndex
from llmrec.retrieval.building import RECALL, _least_effort
from llmrec.retrieval.exact import exact_search

N, DIM = 4_000, 16


def clustered(draw: np.random.Generator, n: int) -> Float32s:
    """Vectors about centroids that lie about centroids."""
    centroids = draw.standard_normal((30, DIM))[np.arange(300) % 30] + 0.7 * draw.standard_normal((300, DIM))
    return (centroids[draw.integers(0, 300, n)] + 0.6 * draw.standard_normal((n, DIM))).astype(np.float32)


def test_queries_that_it_was_not_chosen_by_reach_the_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmrec.retrieval.list_searchers.LEAST_LISTS", 2)
    reached = []
    for seed in range(6):
        drawn = clustered(np.random.default_rng(seed), N + 1100)
        index = ItemIndex.build(drawn[:N], range(N), kind="ivf-flat", queries=drawn[N : N + 100])
        exact, _ = exact_search(drawn[:N], drawn[N + 100 :], 10)
        codes = index.search(drawn[N + 100 :], 10).codes
        reached.append((codes[:, :, None] == exact[:, None]).any(axis=1).mean())
        assert 2 < index.searcher.effort < index.searcher.most_effort
    assert min(reached) >= RECALL


@pytest.mark.parametrize("needed", [4, 5, 9, 40, 63, 64, 100])
def test_no_more_is_read_than_it_takes(needed: int) -> None:
    """Within an eighth; the most there is where that is not enough, and the searcher's where less would do."""
    searcher = ItemIndex.build(np.eye(300), range(300), kind="ivf-flat").searcher
    searcher = replace(searcher, effort=5)
    searcher.faiss_index.nlist = 256  # of which a quarter may be read
    tried: list[int] = []

    def reaches(effort: int) -> bool:
        tried.append(effort)
        return effort >= needed

    effort = _least_effort(searcher, reaches)
    assert min(max(needed, 5), 64) <= effort <= min(max(needed, 5) * 9 // 8 + 1, 64)
    assert effort in tried
    assert len(set(tried)) == len(tried) < 12
