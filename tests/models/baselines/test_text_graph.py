"""Neighbours in the item-transition graph, ranked by their texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.letters import dataset, fitted, scored

from llmrec.data import Dataset, Sequences
from llmrec.models import Recommender
from llmrec.models.baselines.text_graph import transition_edges

DATA = dataset(["abcb", "ab", "de", "f"])  # a-b twice, b-c twice (both orders), d-e once, f alone


def text_graph(data: Dataset, base: Path, **counting: float) -> Recommender:
    text: dict[str, object] = {"encoder": str(base), "encoder_type": "causal"}
    return fitted("text-graph", data, text=text, counting={"half_life": 1.0, **counting})


@pytest.fixture(scope="module")
def cosines(tiny_base: Path) -> np.ndarray:
    vectors = fitted("text", DATA, text={"encoder": str(tiny_base), "encoder_type": "causal"}).item_vectors()
    assert vectors is not None
    return vectors @ vectors.T


def test_edges_count_both_orders_by_the_item_s_largest() -> None:
    edges = transition_edges(Sequences.encode(DATA.histories, DATA.catalog), 6).toarray()
    expected = np.zeros((6, 6))
    expected[0, 1] = expected[1, 0] = expected[1, 2] = expected[2, 1] = 1  # two each: every row's largest
    expected[3, 4] = expected[4, 3] = 1
    np.testing.assert_allclose(edges, expected)
    once_more = dataset(["abcb", "ab", "ab"])
    edges = transition_edges(Sequences.encode(once_more.histories, once_more.catalog), 3).toarray()
    np.testing.assert_allclose(edges[1], [1, 0, np.log(3) / np.log(4)], rtol=1e-6)
    np.testing.assert_allclose(edges[2], [0, 1, 0])


def test_an_item_twice_in_a_row_is_no_edge_of_its_own() -> None:
    data = dataset(["aab", "b"])
    edges = transition_edges(Sequences.encode(data.histories, data.catalog), 2).toarray()
    np.testing.assert_allclose(edges, [[0, 1], [1, 0]])


def test_a_score_is_the_cosine_and_the_edge(tiny_base: Path, cosines: np.ndarray) -> None:
    model = text_graph(DATA, tiny_base, edge_weight=0.5)
    for code, item in enumerate("abcdef"):
        neighbours = {"a": "b", "b": "ac", "c": "b", "d": "e", "e": "d", "f": ""}[item]
        for other, score in scored(model, item).items():
            cosine = float(cosines[code, "abcdef".index(other)])
            expected = cosine + 0.5 if other in neighbours else cosine
            if other == item or expected < 0:
                expected = 0.0
            assert score == pytest.approx(expected, abs=1e-5)


def test_the_newest_items_weigh_most_and_popularity_breaks_ties(tiny_base: Path) -> None:
    model = text_graph(DATA, tiny_base, edge_weight=1000.0)
    both = scored(model, "ad")
    assert both["e"] > both["b"] > 0
    assert both["e"] == pytest.approx(2 * both["b"], rel=0.01)
    nothing = scored(model, "")
    assert max(nothing, key=nothing.__getitem__) == "b"


def test_an_item_keeps_its_most_similar_ones(tiny_base: Path) -> None:
    model = text_graph(DATA, tiny_base, edge_weight=1000.0, neighbors=1)
    scores = scored(model, "d")
    assert scores["e"] > 900
    assert all(score < 1 for item, score in scores.items() if item != "e")


def test_a_catalog_of_one_item(tiny_base: Path) -> None:
    scores = scored(text_graph(dataset(["a"]), tiny_base, edge_weight=1.0), "a")
    assert scores["a"] == pytest.approx(0, abs=1e-5)


def test_blocks_of_items_do_not_change_the_scores(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scored(text_graph(DATA, tiny_base, edge_weight=0.5), "bd")
    monkeypatch.setattr("llmrec.models.baselines.text_graph.PAIRS_AT_ONCE", 7)  # a block of one item
    assert scored(text_graph(DATA, tiny_base, edge_weight=0.5), "bd") == pytest.approx(whole, abs=1e-6)
