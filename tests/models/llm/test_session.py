"""A live session answers as a full pass over the same history does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support.golden_cases import shop_events

from llmrec import Filter, Histories, Recipe, Split
from llmrec.errors import DataError
from llmrec.models import LLMRecommender
from llmrec.models.llm.session import UserSession

STEPS = ["3", "7", "1", "9", "4", "0", "2"]


@pytest.fixture(scope="module", params=("text", "soft", "hybrid"))
def model(request: pytest.FixtureRequest, tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    recipe = tiny_recipe(request.param, "train.epochs=1", "history.max_items=5")
    return LLMRecommender(recipe).fit(toy_split.train)


def assert_equal(session: UserSession, model: LLMRecommender, history: list[str]) -> None:
    histories = Histories.of([history])
    np.testing.assert_allclose(session.state, model.embed_users(histories)[0], atol=1e-4)
    told = model.recommend(histories, 10).drop("user_id")
    assert session.recommend(10)["item_id"].to_list() == told["item_id"].to_list()
    np.testing.assert_allclose(session.recommend(10)["score"], told["score"], atol=1e-3)


def test_after_every_event_it_equals_the_full_pass(model: LLMRecommender) -> None:
    session = model.session()
    assert_equal(session, model, [])
    for n, item in enumerate(STEPS, 1):  # beyond the window of five, too
        session.append({"item_id": item} if n % 2 else item)
        assert_equal(session, model, STEPS[:n])
    assert session.history == STEPS
    assert session.window == STEPS[-5:]


def test_a_model_that_ranks_by_responses_opens_none(tiny_recipe: Callable[..., Recipe]) -> None:
    recipe = tiny_recipe("soft", "train.epochs=1", "tasks=[purchase]", "responses.rank_by=purchase")
    model = LLMRecommender(recipe).fit(shop_events())
    with pytest.raises(DataError, match=r"responses\.rank_by=purchase, and a session by relevance"):
        model.session(STEPS[:2])


def test_it_reads_events_as_recommend_reads_a_table(tiny_recipe: Callable[..., Recipe]) -> None:
    """Times in milliseconds or as text, prices as text, and what is NaN, which is unknown."""
    changes = ["train.epochs=1", "history.max_items=5", "history.events=[price,gap]"]
    model = LLMRecommender(tiny_recipe("soft", *changes)).fit(shop_events())
    seconds, nan = [1.6e9, 1.6e9 + 3600, 1.6e9 + 7200], float("nan")
    events: list[dict[str, object]] = [
        {"item_id": item, "price": price, "timestamp": time}
        for item, price, time in zip(STEPS, (2.5, nan, 9.0), seconds, strict=False)
    ]
    table = pl.DataFrame([{"user_id": "a", **one} for one in events])
    expected = model.embed_users(Histories.from_events(table))[0]
    unread = model.embed_users(Histories.of([STEPS[:3]]))[0]
    assert np.abs(expected - unread).max() > 0.01
    in_text = ["2020-09-13 12:26:40", "2020-09-13 13:26:40", "2020-09-13 14:26:40"]
    for times in (seconds, [1000 * time for time in seconds], in_text):
        session = model.session()
        for event, time in zip(events, times, strict=True):
            session.append({**event, "timestamp": time, "price": str(event["price"])})
        np.testing.assert_allclose(session.state, expected, atol=1e-4)
    before = session.state.copy()
    with pytest.raises(DataError, match="price 'cheap' is no number"):
        session.append({"item_id": "3", "price": "cheap"})
    np.testing.assert_array_equal(session.state, before)
    session.append({"item_id": "3", "price": None, "timestamp": None})
    assert session.history == [*STEPS[:3], "3"]


def test_it_can_begin_with_a_history(model: LLMRecommender) -> None:
    session = model.session(STEPS[:3])
    assert_equal(session, model, STEPS[:3])
    session.append(STEPS[3])
    assert_equal(session, model, STEPS[:4])
    assert_equal(model.session(STEPS), model, STEPS)


def test_it_begins_with_any_list_but_no_text(model: LLMRecommender) -> None:
    assert_equal(model.session(np.array([3, 7])), model, ["3", "7"])  # type: ignore[arg-type]
    assert_equal(model.session(pl.Series(["3", "7"])), model, ["3", "7"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a session takes a list of item ids or events, not the text '17'"):
        model.session("17")


def test_forgetting_reads_anew_rarely(model: LLMRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    anew: list[int] = []
    plain = UserSession._read_window

    def counted(self: UserSession) -> None:
        anew.append(1)
        plain(self)

    monkeypatch.setattr(UserSession, "_read_window", counted)
    session = model.session(forget=0.6)
    for item in STEPS:
        session.append(item)
    assert session.window == STEPS[-3:]  # the sixth left 2 of 5, the seventh joined them
    assert len(anew) == 2
    assert session.history == STEPS
    np.testing.assert_allclose(session.state, model.embed_users(Histories.of([STEPS[-3:]]))[0], atol=1e-4)
    assert not set(session.recommend(5)["item_id"]) & set(STEPS)


def test_item_vectors_are_computed_once(model: LLMRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    tower = type(model.encoder.network.items)
    plain = tower.forward

    def counted(self: Any, *rest: Any) -> torch.Tensor:
        calls.append(1)
        return plain(self, *rest)

    monkeypatch.setattr(tower, "forward", counted)
    session = model.session(STEPS[:2])
    session.append(STEPS[2])
    assert session.history == STEPS[:3]
    assert len(calls) == 1


def test_a_session_goes_on_with_items_that_came_later(
    tiny_recipe: Callable[..., Recipe], toy_split: Split
) -> None:
    model = LLMRecommender(tiny_recipe("hybrid", "train.epochs=1")).fit(toy_split.train)
    session = model.session(STEPS[:2])
    model.add_items(pl.DataFrame({"item_id": ["new"], "title": ["A quite other thing"]}))
    session.append("new")
    assert_equal(session, model, [*STEPS[:2], "new"])
    session.extend(STEPS[2:4])
    assert_equal(session, model, [*STEPS[:2], "new", *STEPS[2:4]])


def test_what_is_wrong_is_refused_and_changes_nothing(model: LLMRecommender) -> None:
    session = model.session(STEPS[:2])
    state = session.state.copy()
    for event in ("no such item", {"item": "3"}, {"item_id": 3.5}, {"item_id": True}):
        with pytest.raises(DataError, match="item"):
            session.append(event)
    with pytest.raises(DataError, match="k must"):
        session.recommend(0)
    with pytest.raises(DataError, match="forget"):
        model.session(forget=1.0)
    assert session.history == STEPS[:2]
    np.testing.assert_array_equal(session.state, state)


def test_a_filter_and_diversity_answer_as_the_model_does(model: LLMRecommender) -> None:
    session, histories = model.session(STEPS[:3]), Histories.of([STEPS[:3]])
    chosen = Filter("item_id != '4'", deny=["5"], boosts={"item_id = '0'": 50.0}, at_most={"title": 1})
    ours = session.recommend(4, filter=chosen, diversity=0.2)
    theirs = model.recommend(histories, 4, filter=chosen, diversity=0.2)
    assert ours["item_id"].to_list() == theirs["item_id"].to_list()
    assert ours["item_id"][0] == "0"
    assert not {"4", "5"} & set(ours["item_id"])
    with pytest.raises(DataError, match="items have no column prize"):
        session.recommend(4, filter=Filter("prize < 5"))
