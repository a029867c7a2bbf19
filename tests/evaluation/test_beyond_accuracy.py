"""Beyond accuracy on lists small enough to count by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from llmrec.data import Catalog, Dataset, Histories
from llmrec.evaluation.beyond_accuracy import _mean, beyond_accuracy, genre_weights

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "title": ["A", "B", "C", "D"],
        "genres": ["Drama, War", "Drama", "Comedy", None],
    }
)


@pytest.fixture
def train() -> Dataset:
    """Four people: all of them met a, two met b, one c, nobody d; one met a twice."""
    pairs = [("1", "a"), ("1", "b"), ("2", "a"), ("2", "a"), ("3", "a"), ("3", "b"), ("4", "a"), ("4", "c")]
    events = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row").with_columns(timestamp=0)
    return Dataset(events, Catalog(ITEMS))


def recommended(lists: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row")


def test_counted_by_hand(train: Dataset) -> None:
    histories = Histories.of({"1": ["a", "b"], "2": ["c"]})
    found = beyond_accuracy(recommended({"1": ["c", "b"], "2": ["a", "d"]}), histories, train, k=2)
    assert found.coverage == 1.0
    assert found.novelty is not None
    # Shares met: a 1, b 1/2, c 1/4, d as if one of four had.
    assert found.novelty.mean == pytest.approx(((2 + 1) / 2 + (0 + 2) / 2) / 2)
    assert found.popularity is not None
    assert found.popularity.mean == pytest.approx(((0.25 + 0.5) / 2 + (1 + 0) / 2) / 2)
    assert found.popularity_lift == pytest.approx(0.4375 / ((0.75 + 0.25) / 2) - 1)
    assert found.diversity is not None
    assert found.diversity.mean == 1.0  # comedy against drama; d has no genre and makes no pair
    assert found.miscalibration is not None
    one = sum(
        p * math.log(p / (0.99 * q + 0.01 * p))
        for p, q in [(0.75, 0.5), (0.25, 0.0)]  # Drama, War
    )
    two = math.log(1 / 0.01)  # all comedy before, none in the list
    assert found.miscalibration.mean == pytest.approx((one + two) / 2)


def test_diversity_of_a_list_of_shared_genres(train: Dataset) -> None:
    found = beyond_accuracy(recommended({"1": ["a", "b", "c"]}), Histories.of({"1": []}), train, k=3)
    assert found.diversity is not None
    assert found.diversity.mean == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.miscalibration is None  # no history, no taste to be calibrated to
    assert found.popularity_lift is None


def test_the_same_mixture_is_calibrated(train: Dataset) -> None:
    found = beyond_accuracy(recommended({"1": ["b"]}), Histories.of({"1": ["b", "b"]}), train)
    assert found.miscalibration is not None
    assert found.miscalibration.mean == pytest.approx(0, abs=1e-12)


def test_only_the_first_k_and_only_those_asked_count(train: Dataset) -> None:
    recs = recommended({"1": ["a", "b"], "stranger": ["c"]})
    assert beyond_accuracy(recs, Histories.of({"1": ["a"]}), train, k=1).coverage == 0.25


def test_silence_has_no_taste(train: Dataset) -> None:
    found = beyond_accuracy(recommended({}), Histories.of({"1": ["a"]}), train)
    assert (found.coverage, found.novelty, found.diversity, found.miscalibration) == (0.0, None, None, None)


def test_without_genres_two_are_unknown(train: Dataset) -> None:
    plain = replace(train, catalog=Catalog(ITEMS.drop("genres")))
    found = beyond_accuracy(recommended({"1": ["a", "b"]}), Histories.of({"1": ["a"]}), plain)
    assert (found.diversity, found.miscalibration) == (None, None)
    assert found.novelty is not None


@pytest.mark.parametrize(
    "genres",
    [
        ["x|y", "y", "", "z | x"],
        ["x, y", "y", None, "z,x"],
        [["x", "y"], ["y"], [], ["z", "x"]],
        ["y; x", "y", None, "x;z"],
    ],
)
def test_genres_are_read_as_they_are_written(genres: list[object]) -> None:
    catalog = Catalog(ITEMS.with_columns(genres=pl.Series(genres, strict=False)))
    weights = genre_weights(catalog)
    assert weights is not None
    np.testing.assert_allclose(weights, np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0], [0.5, 0, 0.5]]))


def test_portions_change_nothing(train: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    users = [str(n) for n in range(30)]
    histories = Histories.of({user: rng.choice(list("abcd"), rng.integers(0, 5)).tolist() for user in users})
    recs = recommended({user: rng.permutation(list("abcd")).tolist() for user in users})
    whole = beyond_accuracy(recs, histories, train, k=3)
    monkeypatch.setattr("llmrec.evaluation.beyond_accuracy.CELLS", 20)
    assert beyond_accuracy(recs, histories, train, k=3) == whole


def test_intervals_cover_the_true_mean() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        found = _mean(rng.exponential(size=200), 0.95)
        assert found is not None
        covered += found.low <= 1 <= found.high
    assert 0.91 <= covered / 300 <= 0.98
