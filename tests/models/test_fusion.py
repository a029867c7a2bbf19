"""A fusion: a recommender like any other, its ends are its parts, its weight comes from validation."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec import Recipe, Split
from llmrec.arrays import Float32s
from llmrec.data import Fold, Histories, toy_films
from llmrec.errors import DataError
from llmrec.models import Fusion, Ranker, Recommender, from_recipe
from llmrec.models.fusion import standardized
from llmrec.testing import RankerContract, ndcg
from llmrec.testing import toy_split as contract_split


def of(kind: str) -> Recommender:
    return from_recipe(Recipe(model=kind))


class TestFusion(RankerContract):
    good = 1.0
    has_item_vectors = False

    def build(self) -> Ranker:
        return Fusion(of("markov"), of("popularity"), 0.1).fit(contract_split().train)


@pytest.fixture
def parts(toy_split: Split) -> tuple[Recommender, Recommender]:
    return of("markov").fit(toy_split.train), of("popularity").fit(toy_split.train)


def test_it_follows_its_models(parts: tuple[Recommender, Recommender], toy_split: Split) -> None:
    markov, popularity = parts
    fusion, histories = Fusion(markov, popularity, 0.1), toy_split.test.histories
    other = toy_films(n_items=20, n_users=30)
    markov.fit(other)
    with pytest.raises(DataError, match="two models of one catalog; these rank 20 and 12 items"):
        fusion.recommend(histories)
    popularity.fit(other)
    assert fusion.catalog is other.catalog
    assert list(fusion.histories) == list(other.histories)
    assert fusion.metadata["data"]["fingerprint"] == other.fingerprint
    np.testing.assert_array_equal(fusion.score(histories), Fusion(markov, popularity, 0.1).score(histories))


def test_an_unfitted_fusion_is_refused_and_fitted_with_its_models(toy_split: Split) -> None:
    fusion = Fusion(of("markov"), of("popularity"))
    assert not fusion.is_fitted
    with pytest.raises(DataError, match="this markov model has not been fitted"):
        fusion.recommend(toy_split.test.histories)
    assert fusion.fit(toy_split.train).is_fitted
    assert [model.kind for model in fusion.models] == fusion.metadata["made_of"] == ["markov", "popularity"]
    assert not hasattr(fusion, "save")  # no run of its own: its models are saved


@pytest.mark.parametrize("end", [0, 1])
def test_at_its_ends_it_ranks_as_its_parts(
    parts: tuple[Recommender, Recommender], toy_split: Split, end: int
) -> None:
    fused, histories = Fusion(*parts, weight=end), toy_split.test.histories
    assert fused.recommend(histories).drop("score").equals(parts[end].recommend(histories).drop("score"))


def test_neither_the_unit_nor_the_origin_of_a_score_counts(toy_split: Split) -> None:
    class Scaled(type(of("markov"))):  # type: ignore[misc]
        def _score(self, sequences: object) -> Float32s:
            scores: Float32s = super()._score(sequences) * 1000 - 7
            return scores

    histories = toy_split.test.histories
    plain, other = of("markov").fit(toy_split.train), Scaled(Recipe(model="markov")).fit(toy_split.train)
    popular = of("popularity").fit(toy_split.train)
    one, two = Fusion(plain, popular, 0.3).score(histories), Fusion(other, popular, 0.3).score(histories)
    np.testing.assert_allclose(one, two, atol=1e-3)
    assert (standardized(np.full((2, 3), 5.0, dtype=np.float32)) == 0).all()


def test_the_weight_is_chosen_on_validation(parts: tuple[Recommender, Recommender], toy_split: Split) -> None:
    """Markov knows the order, popularity does not: whichever comes first, the fusion finds out."""
    markov, popularity = parts
    for fused, knows in (
        (Fusion.tuned(markov, popularity, toy_split.valid), 0),
        (Fusion.tuned(popularity, markov, toy_split.valid), 1),
    ):
        told = fused.metadata["fusion"]["valid_ndcg@10"]
        assert (
            told[f"{fused.weight:g}"]
            == max(told.values())
            == pytest.approx(ndcg(fused, toy_split.valid), abs=1e-6)
        )
        assert ndcg(fused, toy_split.valid) >= ndcg(fused.models[knows], toy_split.valid) > told[str(1 - knows)]
        assert (fused.weight < 0.5) == (knows == 0)


def test_what_cannot_be_fused_is_refused(parts: tuple[Recommender, Recommender], toy_split: Split) -> None:
    with pytest.raises(DataError, match=r"between 0 .* and 1 .*, got 1\.5"):
        Fusion(*parts, weight=1.5)
    with pytest.raises(DataError, match=r"between 0 .* and 1 .*, got 1\.5"):
        Fusion.tuned(*parts, toy_split.valid, weights=[0.5, 1.5])
    other = of("markov").fit(toy_films(n_items=5))
    with pytest.raises(DataError, match="two models of one catalog; these rank 12 and 5 items"):
        Fusion(parts[0], other)
    with pytest.raises(DataError, match="one of them is empty"):
        Fusion.tuned(*parts, Fold(Histories.of({}), toy_split.valid.answers))
