"""Filters that follow the distance to the query: what is allowed is far, or near, and is found as without one."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.retrieval import ItemIndex
from llmrec.retrieval.exact import exact_search
from llmrec.retrieval.list_searchers import PRODUCT

N, DIM, N_QUERIES = 8_000, 16, 100


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> tuple[ItemIndex, Float32s, Float32s]:
    """Lists of clusters, how far each row lies along a direction, and queries that lie far along it.

    Neither few allowed rows nor a part of them that pays are compared exactly.
    """
    monkeypatch.setattr("llmrec.retrieval.list_searchers.FEW_ROWS", 20)
    monkeypatch.setattr("llmrec.retrieval.list_searchers.PRODUCT", np.inf)
    monkeypatch.setattr("llmrec.retrieval.list_searchers.LEAST_LISTS", 2)
    draw = np.random.default_rng(0)
    centroids = draw.standard_normal((30, DIM))[np.arange(300) % 30] + 0.7 * draw.standard_normal((300, DIM))
    rows = centroids[draw.integers(0, 300, 2 * N)] + 0.6 * draw.standard_normal((2 * N, DIM))
    vectors, others = np.split(rows.astype(np.float32), 2)
    index = ItemIndex.build(vectors, range(N), kind="ivf-flat", queries=others[:200])
    assert index.searcher.effort < index.searcher.most_effort
    queries = others[200:][np.argsort(-others[200:, 0])[:N_QUERIES]]
    return index, vectors[:, 0], queries


def best_scores(index: ItemIndex, queries: Float32s, mask: Bools) -> Float32s:
    return -np.sort(-np.where(mask, queries @ index.vectors.T, -np.inf), axis=1)[:, :10]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("side", ["far", "near"])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_a_filter_leaves_that_follows_the_distance_is_found(
    world: tuple[ItemIndex, Float32s, Float32s], share: float, side: str, one_by_one: bool
) -> None:
    index, along, queries = world
    mask = along <= np.quantile(along, share) if side == "far" else along >= np.quantile(along, 1 - share)
    parts = np.split(queries, N_QUERIES) if one_by_one else [queries]
    results = [index.search(part, 10, allow=mask) for part in parts]
    assert mask[np.concatenate([one.codes for one in results])].all()
    scores, best = np.concatenate([one.scores for one in results]), best_scores(index, queries, mask)
    assert (scores >= best[:, -1:] - 1e-4).mean() >= 0.98


def test_all_that_is_allowed_is_compared_where_lists_would_cost_more(
    world: tuple[ItemIndex, Float32s, Float32s], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = list[int]()

    def counted(rows: Float32s, queries: Float32s, k: int, *, allowed: Bools) -> tuple[Int64s, Float32s]:
        compared.append(len(queries))
        return exact_search(rows, queries, k, allowed=allowed)

    monkeypatch.setattr("llmrec.retrieval.list_searchers.exact_search", counted)
    monkeypatch.setattr("llmrec.retrieval.list_searchers.PRODUCT", PRODUCT)
    index, along, queries = world
    mask = along <= np.quantile(along, 0.1)
    found = index.search(queries, 10, allow=mask).scores
    np.testing.assert_allclose(found, best_scores(index, queries, mask), rtol=1e-4, atol=1e-4)
    assert compared == [N_QUERIES]
    index.search(queries, 10, allow=along > np.quantile(along, 0.1))  # the near ones: lists hold nothing else
    assert compared == [N_QUERIES]


def test_the_rows_of_codes_stay_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code costs less than a row in memory: lists are read, whatever share of the allowed ones they hold."""
    monkeypatch.setattr("llmrec.retrieval.list_searchers.FEW_ROWS", 20)
    rows = np.random.default_rng(0).standard_normal((11_000, 8)).astype(np.float32)
    index = ItemIndex.build(rows, range(len(rows)), kind="ivf-pq", bytes_per_item=8)
    compared = list[int]()
    monkeypatch.setattr("llmrec.retrieval.list_searchers.exact_search", lambda *_, **__: compared.append(1))
    mask = rows[:, 0] <= np.quantile(rows[:, 0], 0.3)
    found = index.search(rows[:N_QUERIES], 10, allow=mask)
    assert mask[found.codes].all() and not compared
    scores = best_scores(index, rows[:N_QUERIES], mask)
    assert (found.scores >= scores[:, -1:] - 1e-4).mean() >= 0.95
