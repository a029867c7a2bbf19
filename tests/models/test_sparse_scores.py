"""Scores that most histories have in common, written out."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec import Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.models import from_recipe
from llmrec.models.sparse_scores import SparseRecommender, SparseScores

COMMON = np.array([0.1, 0.5, 0.2], dtype=np.float32)


def scores_of(offsets: list[int], codes: list[int], values: list[float]) -> SparseScores:
    return SparseScores(COMMON, np.array(offsets), np.array(codes), np.array(values, dtype=np.float32))


def test_own_scores_stand_instead_of_the_common_ones() -> None:
    scores = scores_of([0, 2, 2, 3], [2, 0, 1], [0.9, -1.0, 0.0])
    np.testing.assert_allclose(scores.dense(), [[-1, 0.5, 0.9], [0.1, 0.5, 0.2], [0.1, 0, 0.2]], rtol=1e-6)
    assert scores.rows.tolist() == [0, 0, 2]


def test_the_highest_is_that_of_the_scores_written_out() -> None:
    """Also where the item that is best for all others scores less here."""
    scores = scores_of([0, 1, 1, 2, 4], [0, 1, 0, 1], [0.9, 0.15, 0.3, -2.0])
    np.testing.assert_array_equal(scores.highest(), scores.dense().max(axis=1))


def test_a_pair_that_comes_twice_is_one_item() -> None:
    rows, codes = np.array([2, 0, 2]), np.array([1, 2, 1])
    scores, places = SparseScores.of_pairs(COMMON, 3, rows, codes)
    np.add.at(scores.values, places, np.array([1, 2, 4], dtype=np.float32))
    np.testing.assert_allclose(scores.dense(), COMMON + np.array([[0, 0, 2], [0, 0, 0], [0, 5, 0]]), rtol=1e-6)


@pytest.mark.parametrize("name", ["item-knn", "linear", "ease", "markov-3", "popularity", "recent", "repeat-last"])
def test_rules_give_the_scores_that_they_have(name: str, toy_split: Split) -> None:
    """An empty history, one with an item twice, and known ones."""
    model = from_recipe(Recipe.load(name)).fit(toy_split.train)
    assert isinstance(model, SparseRecommender)
    known = {user: list(toy_split.test.histories.items(n)) for n, user in enumerate(model.histories.user_ids)}
    histories = Histories.of({"none": [], "twice": ["3", "4", "3"], **known})
    sparse = model.sparse_scores(Sequences.encode(histories, model.catalog))
    np.testing.assert_array_equal(sparse.dense(), model.score(histories))
    pairs = np.stack([sparse.rows, sparse.codes])
    assert np.unique(pairs, axis=1).shape == pairs.shape
