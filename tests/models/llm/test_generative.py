"""Ranking by generated titles is a ranker like any other, and follows its model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from llmrec import Histories, Recipe
from llmrec.data import toy_films
from llmrec.models import GenerativeRanking, LLMRecommender, Ranker
from llmrec.testing import RankerContract, toy_split

CHANGES = ("train.epochs=1", "train.title_loss=1.0", "history.max_items=4")
HISTORIES = Histories.of([["3", "4"], [], ["0", "1", "2", "5", "7"]])


class TestGenerativeRanking(RankerContract):
    sequential = False  # one epoch of a random Llama
    has_item_vectors = False
    make_recipe: Callable[..., Recipe]

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_recipe: Callable[..., Recipe]) -> None:
        self.make_recipe = tiny_recipe

    def build(self) -> Ranker:
        model = LLMRecommender(self.make_recipe("text", *CHANGES))
        return GenerativeRanking(model, beams=10).fit(toy_split().train)


@pytest.mark.parametrize("beams", [20, None])
def test_it_follows_its_model(beams: int | None, tiny_recipe: Callable[..., Recipe]) -> None:
    model = LLMRecommender(tiny_recipe("text", *CHANGES)).fit(toy_films(n_items=12, n_users=12))
    ranking = GenerativeRanking(model, beams=beams)
    first = ranking.recommend(HISTORIES, 20)

    def check_that_it_follows() -> None:
        again = GenerativeRanking(model, beams=beams)
        assert ranking.catalog is model.catalog
        np.testing.assert_array_equal(ranking.score(HISTORIES), again.score(HISTORIES))
        assert ranking.recommend(HISTORIES, 20).equals(again.recommend(HISTORIES, 20))

    model.add_items({"item_id": ["new"], "title": ["Film 99: A New One"]})
    assert ranking.score(HISTORIES).shape == (3, 13)
    assert "new" in ranking.recommend(HISTORIES, 20)["item_id"].to_list()
    check_that_it_follows()
    model.fit(toy_films(n_items=12, n_users=12, seed=3))
    assert ranking.score(HISTORIES).shape == (3, 12)
    assert not ranking.recommend(HISTORIES, 20).equals(first)
    check_that_it_follows()
