"""Every recommender passes the contract suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llmrec import Recipe
from llmrec.models import KINDS, Recommender, from_recipe
from llmrec.testing import RecommenderContract


class TestPopularity(RecommenderContract):
    sequential = False

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="popularity"))


class TestMarkov(RecommenderContract):
    good = 1.0

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="markov"))


class Neural(RecommenderContract):
    model = "gru"

    def make(self) -> Recommender:
        values = {
            "model": self.model,
            "sequence": {"dim": 32, "max_items": 8},
            "train": {"epochs": 25, "learning_rate": 2e-2, "batch_tokens": 200, "patience": 5},
        }
        return from_recipe(Recipe.of(values))


class TestGRU(Neural):
    model = "gru"


class TestLSTM(Neural):
    model = "lstm"


class TestSASRec(Neural):
    model = "sasrec"


class TinyLLM(RecommenderContract):
    encoding = "soft"
    changes: tuple[str, ...] = ()
    make_recipe: Callable[..., Recipe]

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_recipe: Callable[..., Recipe]) -> None:
        self.make_recipe = tiny_recipe

    def make(self) -> Recommender:
        return from_recipe(self.make_recipe(self.encoding, *self.changes))


class TestSoft(TinyLLM):
    encoding = "soft"


class TestHybrid(TinyLLM):
    encoding = "hybrid"
    changes = ("train.epochs=2",)


class TestText(TinyLLM):
    encoding = "text"
    changes = ("train.epochs=7",)
    good = 0.7  # a random Llama of 32 dimensions reads slowly; knowing nothing gives 0.35


def test_every_kind_is_under_contract() -> None:
    under = {cls.__name__.removeprefix("Test").lower() for cls in RecommenderContract.__subclasses__()}
    under |= {cls.__name__.removeprefix("Test").lower() for cls in Neural.__subclasses__()}
    assert set(KINDS) - {"llm"} <= under
    assert len(TinyLLM.__subclasses__()) == 3


def test_the_suite_catches_a_liar(tmp_path: Path) -> None:
    from llmrec.models.popularity import PopularityRecommender

    class Leaky(PopularityRecommender):
        def recommend(self, histories, k=10, **options):  # type: ignore[no-untyped-def]
            return super().recommend(histories, k, **{**options, "exclude_seen": False})

    class Contract(RecommenderContract):
        sequential = False

        def make(self) -> Recommender:
            return Leaky()

    with pytest.raises(AssertionError):
        Contract().test_never_recommends_what_was_seen()
