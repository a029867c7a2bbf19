"""Top-k equals a full sort, ties and all."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec.models.ranking import top_k


@pytest.mark.parametrize("decimals", [0, 2, 7])
@pytest.mark.parametrize(("k", "n"), [(1, 60), (5, 60), (20, 60), (60, 60), (100, 60), (1, 256), (5, 1300)])
def test_top_k_is_the_head_of_a_full_sort(k: int, n: int, decimals: int) -> None:
    rng = np.random.default_rng(k)
    scores = np.round(rng.normal(size=(30, n)), decimals).astype(np.float32)
    scores[:, ::7] = -np.inf
    scores[0], scores[1] = -np.inf, 0.0
    scores[2] = np.where(rng.random(n) < 0.5, np.float32(0.0), np.float32(-0.0))  # the same score
    places = np.array([rng.permutation(n) for _ in range(30)])
    for order in (places[0], places):
        ties = np.broadcast_to(order, scores.shape)
        expected = np.array([np.lexsort((ties[row], -(scores[row] + 0.0)))[:k] for row in range(30)])
        best, values = top_k(scores, k, order)
        np.testing.assert_array_equal(best, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(scores, expected, axis=1))
