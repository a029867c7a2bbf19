"""Every recommender passes the contract suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llmrec import Recipe
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.registry import SHIPPED
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.testing import RecommenderContract, toy_split


class TestPopularity(RecommenderContract):
    sequential = False
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="popularity"))


class TestMarkov(RecommenderContract):
    good = 1.0
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="markov"))


class TestMarkovThree(RecommenderContract):
    good = 1.0
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(Recipe.of({"model": "markov", "counting": {"order": 3}}))


class TestRecent(RecommenderContract):
    sequential = False
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="recent"))


class TestRepeatLast(RecommenderContract):
    sequential = False
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(Recipe(model="repeat-last"))


class TestItemKNN(RecommenderContract):
    good = 0.6  # neighbours on both sides are alike: it cannot know in which direction people go
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(Recipe.of({"model": "item-knn", "counting": {"half_life": 0.5}}))


class TestLinear(RecommenderContract):
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(
            Recipe.of({"model": "linear", "linear": {"regularization": 1.0}, "counting": {"half_life": 2.0}})
        )


class TestEASE(RecommenderContract):
    good = 0.6  # as item-knn
    has_item_vectors = False

    def make(self) -> Recommender:
        return from_recipe(
            Recipe.of({"model": "ease", "linear": {"regularization": 1.0}, "counting": {"half_life": 0.5}})
        )


class TestALS(RecommenderContract):
    good = 0.45  # as above, and it knows no order

    def make(self) -> Recommender:
        return from_recipe(Recipe.of({"model": "als", "als": {"factors": 16}}))


class TestText(RecommenderContract):
    sequential = False
    takes_new_items = True
    base: Path

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_base: Path) -> None:
        type(self).base = tiny_base

    def make(self) -> Recommender:
        return from_recipe(
            Recipe.of({"model": "text", "text": {"encoder": str(self.base), "encoder_type": "causal"}})
        )


class TestTextGraph(RecommenderContract):
    good = 0.6  # as item-knn
    has_item_vectors = False
    texts_change = False
    base: Path

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_base: Path) -> None:
        type(self).base = tiny_base

    def make(self) -> Recommender:
        values = {
            "model": "text-graph",
            "text": {"encoder": str(self.base), "encoder_type": "causal"},
            "counting": {"edge_weight": 5.0, "half_life": 0.5},
        }
        return from_recipe(Recipe.of(values))


class Neural(RecommenderContract):
    model = "gru"

    def make(self) -> Recommender:
        values = {
            "model": self.model,
            "sequence": {"dim": 32, "max_items": 8},
            "train": {"epochs": 15, "learning_rate": 3e-2, "batch_tokens": 200, "patience": 5},
        }
        return from_recipe(Recipe.of(values))


class TestGRU(Neural):
    model = "gru"


class TestLSTM(Neural):
    model = "lstm"


class Events(Neural):
    """Reads and predicts pauses, which is all that the toy events say besides their films."""

    def make(self) -> Recommender:
        recipe = super().make().recipe.model_dump()
        recipe |= {"tasks": ["gap"], "responses": {"weight": 0.1}}
        recipe["history"] |= {"events": ["gap"]}
        return from_recipe(Recipe.of(recipe))

    def test_predictions_survive_saving(self, tmp_path: Path) -> None:
        model, histories = self.fitted(), toy_split().test.histories
        assert isinstance(model, RespondingRecommender)
        model.save(tmp_path / "run")
        again = load(tmp_path / "run")
        assert isinstance(again, RespondingRecommender)
        table = model.predict_response(histories, ["3"])
        assert again.predict_response(histories, ["3"]).equals(table)
        assert (table["gap_under 2 minutes"] > 0.9).all()  # films are a minute apart


class TestGRUEvents(Events):
    model = "gru-events"


class TestLSTMEvents(Events):
    model = "lstm-events"


class TestSASRec(Neural):
    model = "sasrec"


class TestESASRec(Neural):
    model = "esasrec"


class TestBERT4Rec(Neural):
    model = "bert4rec"

    def make(self) -> Recommender:
        # Each pass teaches at the masked places only: it takes more of them.
        recipe = super().make().recipe.model_dump()
        recipe["train"] |= {"epochs": 40, "learning_rate": 2e-2, "patience": 20}
        return from_recipe(Recipe.of(recipe))


class TextNeural(Neural):
    base: Path

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_base: Path) -> None:
        type(self).base = tiny_base

    def make(self) -> Recommender:
        recipe = super().make().recipe.model_dump()
        return from_recipe(Recipe.of(recipe | {"text": {"encoder": str(self.base), "encoder_type": "causal"}}))


class TestStacked(Neural):
    def make(self) -> Recommender:
        network = "sequence.dim=32 sequence.max_items=8"
        training = "train.schedule=cosine train.epochs=15 train.learning_rate=3e-2 train.batch_tokens=200"
        members = [f"gru {network} {training}", "markov", "item-knn"]
        return from_recipe(Recipe.of({"model": "stacked", "stack": {"members": members}}))


class TestGRUText(TextNeural):
    model = "gru-text"


class TestLSTMText(TextNeural):
    model = "lstm-text"


class TestGRUTextEvents(TextNeural, Events):
    model = "gru-text-events"


class TinyLLM(RecommenderContract):
    takes_new_items = True
    encoding = "soft"
    changes: tuple[str, ...] = ()
    make_recipe: Callable[..., Recipe]

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_recipe: Callable[..., Recipe]) -> None:
        self.make_recipe = tiny_recipe

    def make(self) -> Recommender:
        return from_recipe(self.make_recipe(self.encoding, *self.changes))


class TestLLMSoft(TinyLLM):
    encoding = "soft"


class TestLLMHybrid(TinyLLM):
    encoding = "hybrid"
    changes = ("train.epochs=2",)


class TestLLMText(TinyLLM):
    encoding = "text"
    changes = ("train.epochs=7",)
    good = 0.7  # a random Llama of 32 dimensions reads slowly; knowing nothing gives 0.35


@pytest.mark.slow
class TestLLMLocalBlocks(TinyLLM):
    encoding = "hybrid"
    changes = (
        "history.local_blocks=1",
        "history.boundary_states=both",
        "history.item_prompt=title",
        "head.item_prompt=item",
        "train.epochs=3",
    )


def test_every_kind_is_under_contract() -> None:
    suites = (
        *RecommenderContract.__subclasses__(),
        *Neural.__subclasses__(),
        *TextNeural.__subclasses__(),
        *Events.__subclasses__(),
    )
    under = {cls.__name__.removeprefix("Test").lower() for cls in suites}
    assert {kind.replace("-", "") for kind in SHIPPED} - {"llm"} <= under
    assert len(TinyLLM.__subclasses__()) == 4
