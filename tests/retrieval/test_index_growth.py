"""Lists that take added rows find them as well as lists that are built anew, and say how well."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from llmrec.retrieval import ItemIndex


@pytest.mark.parametrize("compacted", [False, True])
def test_added_rows_that_the_lists_do_not_suit_have_lists_built_anew(
    compacted: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer rows of other directions: they and all others are found as well as before, and recall is measured."""
    monkeypatch.setattr("llmrec.retrieval.list_searchers.FEW_ROWS", 10_000 if compacted else 20)
    monkeypatch.setattr("llmrec.retrieval.list_searchers.LEAST_LISTS", 2)
    caplog.set_level(logging.INFO)
    draw = np.random.default_rng(1)
    others = 9 * draw.normal(size=(1200, 8)).astype(np.float32)
    vectors = draw.normal(size=(4000, 8)).astype(np.float32)
    index = ItemIndex.build(vectors, range(4000), kind="ivf-flat")
    index.add(others, [f"n{number}" for number in range(1200)])
    if compacted:
        index.compact()
    assert len(index.searcher.rows) == 5200
    assert "rebuilt as ivf-flat after 1200 rows were added" in caplog.text
    exact = ItemIndex.build(index.vectors, index.ids, kind="flat")
    queries = np.concatenate([vectors[:100], others[:100]])
    one, two = (of.search(queries, 10).scores for of in (index, exact))
    recall = (one >= two[:, -1:] * (1 - 1e-5)).mean()
    assert recall > 0.95
    assert index.facts.recall_at_10 == pytest.approx(recall, abs=0.04)


def test_recall_is_measured_again_where_added_rows_are_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmrec.retrieval.list_searchers.FEW_ROWS", 20)
    vectors = np.random.default_rng(0).normal(size=(700, 8)).astype(np.float32)
    index = ItemIndex.build(vectors[:600], range(600), kind="ivf-flat", queries=vectors[:5])
    assert index.facts.n_queries == 5
    index.add(vectors[600:], range(600, 700))
    assert (len(index.searcher.rows), index.facts.n, index.facts.n_queries) == (700, 700, 512)
    index.remove(["3"])
    assert index.facts.n == 699
