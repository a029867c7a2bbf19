"""A stack's live session answers as the stack does for the whole history; its LLM reads each event once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from llmrec import Filter, Histories, Recipe, Split
from llmrec.errors import DataError
from llmrec.models import LLMRecommender, from_recipe
from llmrec.models.llm.history_encoder import HistoryEncoder
from llmrec.models.stacking.recommender import StackedRecommender
from llmrec.models.stacking.session import StackSession

MakeRecipe = Callable[..., Recipe]
STEPS = ["3", "7", "1", "9", "4", "0", "2"]


@pytest.fixture(scope="module")
def llm(tiny_recipe: MakeRecipe, toy_split: Split) -> LLMRecommender:
    return LLMRecommender(tiny_recipe("soft", "train.epochs=1", "history.max_items=5")).fit(toy_split.train)


@pytest.fixture(scope="module")
def stack(llm: LLMRecommender, toy_split: Split) -> StackedRecommender:
    rules = [from_recipe(Recipe(model=kind)).fit(toy_split.train) for kind in ("popularity", "markov")]
    return StackedRecommender.of([*rules, llm], toy_split)


def assert_equal(session: StackSession, model: StackedRecommender, history: list[str]) -> None:
    expected = model.recommend(Histories.of([history]), 10).drop("user_id")
    answered = session.recommend(10)
    assert answered.columns == ["item_id", "rank", "score"]
    assert answered["item_id"].to_list() == expected["item_id"].to_list()
    np.testing.assert_allclose(answered["score"], expected["score"], atol=1e-3)


def test_after_every_event_it_answers_as_the_stack(stack: StackedRecommender) -> None:
    session = stack.session()
    assert_equal(session, stack, [])
    for n, item in enumerate(STEPS, 1):  # beyond the LLM's window of five, too
        session.append({"item_id": item} if n % 2 else item)
        assert_equal(session, stack, STEPS[:n])
    assert session.history == STEPS
    begun = stack.session(STEPS[:3])
    begun.extend(STEPS[3:])
    assert_equal(begun, stack, STEPS)


def test_its_llm_reads_an_event_and_no_whole_history(
    stack: StackedRecommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = stack.recommend([STEPS[:4]], 5)["item_id"].to_list()
    monkeypatch.setattr(HistoryEncoder, "_encode", lambda *_, **__: pytest.fail("read whole"))
    session = stack.session(STEPS[:2])
    for item in STEPS[2:4]:
        session.append(item)
    assert session.recommend(5)["item_id"].to_list() == expected
    assert session.nbytes > 0


def test_filters_and_diversity_are_the_stack_s(stack: StackedRecommender) -> None:
    wanted = Filter(deny=["5", "8"])
    expected = stack.recommend([STEPS[:3]], 4, filter=wanted, diversity=0.5)
    answered = stack.session(STEPS[:3]).recommend(4, filter=wanted, diversity=0.5)
    assert answered["item_id"].to_list() == expected["item_id"].to_list()


def test_what_is_wrong_is_refused_and_changes_nothing(stack: StackedRecommender) -> None:
    session = stack.session(STEPS[:2])
    for events, said in (
        (["0", "none"], "'none' is not in the catalog"),
        ("50", "a list of item ids"),
        ([{}], "an event's item_id"),
    ):
        with pytest.raises(DataError, match=said):
            session.extend(events)
    with pytest.raises(DataError, match="price 'cheap' is no number"):
        session.append({"item_id": "0", "price": "cheap"})
    assert_equal(session, stack, STEPS[:2])


def test_a_stack_without_an_llm_has_sessions_too(toy_split: Split) -> None:
    rules = [from_recipe(Recipe(model=kind)).fit(toy_split.train) for kind in ("popularity", "markov")]
    model = StackedRecommender.of(rules, toy_split)
    session = model.session(STEPS[:2])
    session.append("5")
    assert_equal(session, model, [*STEPS[:2], "5"])


def test_it_goes_on_with_items_that_came_later(llm: LLMRecommender, toy_split: Split) -> None:
    model = StackedRecommender.of([llm], toy_split)
    session = model.session(STEPS[:2])
    model.add_items(pl.DataFrame({"item_id": ["new"], "title": ["Film 99: Silent Mirror"], "genres": ["Drama"]}))
    session.append("new")
    assert_equal(session, model, [*STEPS[:2], "new"])


def test_an_unfitted_stack_opens_none() -> None:
    unfitted = StackedRecommender(Recipe.of({"model": "stacked", "stack": {"members": ["markov"]}}))
    with pytest.raises(DataError, match="has not been fitted"):
        unfitted.session()


def test_what_was_disliked_is_no_choice_in_a_session_either(toy_split: Split) -> None:
    rules = [from_recipe(Recipe(model=kind)).fit(toy_split.train) for kind in ("item-knn", "popularity")]
    model = StackedRecommender.of(rules, toy_split)
    model.metadata["positive"] = {
        "rule": "default",
        "ratings": {"lowest": 1.0, "highest": 5.0, "positive_above": 1.0},
    }
    rows = [{"item_id": "3", "rating": 5.0}, {"item_id": "7", "rating": 1.0}]
    table = pl.DataFrame([{"user_id": "u", "timestamp": n, **row} for n, row in enumerate(rows)])
    answered = model.session(rows).recommend(4)["item_id"].to_list()
    assert answered == model.recommend(table, 4)["item_id"].to_list()
    assert answered != model.recommend([["3", "7"]], 4)["item_id"].to_list()


def test_a_share_to_forget_is_one_without_an_llm_too(toy_split: Split) -> None:
    rules = [from_recipe(Recipe(model=kind)).fit(toy_split.train) for kind in ("markov", "popularity")]
    with pytest.raises(DataError, match="forget is 5"):
        StackedRecommender.of(rules, toy_split).session(forget=5.0)
