"""Item-item neighbours by hand."""

from __future__ import annotations

import numpy as np
import pytest
from support.letters import dataset, fitted, scored

from llmrec.data import Sequences
from llmrec.models.baselines.item_weights import recency_weights


def test_item_knn_is_the_shrunk_cosine() -> None:
    data = dataset(["ab", "ab", "ac", "aab"])
    model = fitted("item-knn", data, counting={"shrink": 1.0, "half_life": 1.0})
    alike = {"b": 3 / (np.sqrt(4 * 3) + 1), "c": 1 / (np.sqrt(4 * 1) + 1)}
    scores = scored(model, "a")
    assert scores["b"] == pytest.approx(alike["b"], abs=1e-5)
    assert scores["c"] == pytest.approx(alike["c"], abs=1e-5)
    assert scores["a"] == pytest.approx(0, abs=1e-5)
    assert scored(model, "bc")["a"] == pytest.approx(alike["c"] + alike["b"] / 2, abs=1e-5)
    nearest = fitted("item-knn", data, counting={"shrink": 1.0, "neighbors": 1})
    assert scored(nearest, "a")["c"] == pytest.approx(0, abs=1e-5)


def test_weights_halve_with_age() -> None:
    data = dataset(["abc"])
    weights = recency_weights(Sequences.encode(data.histories, data.catalog), 1.0, n_items=3)
    assert weights.toarray().tolist() == [[0.25, 0.5, 1.0]]
