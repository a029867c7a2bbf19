"""An LLM reads a history once: remembered by what it holds, advanced by events, forgotten beyond its memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.serving import NEEDS, Served, served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.models import StackedRecommender, from_recipe
from llmrec.serve.sessions import OVERHEAD, BoundedCache


def sources(llm: Served) -> list[float]:
    return [llm.metric("llmrec_user_vectors_total", source=name) for name in ("model", "memory", "session")]


@pytest.fixture(params=["llm", "stack"])
def reader(request: pytest.FixtureRequest) -> Served:
    """An LLM, alone and in a stack."""
    one: Served = request.getfixturevalue(request.param)
    return one


def test_a_history_is_read_once(reader: Served) -> None:
    before = np.array(sources(reader))
    first = reader.post("/recommend", history=["1", "5", "9"], k=3)
    again = reader.post("/recommend", history=["1", "5", "9"], k=5, filter={"deny": ["2"]})
    assert [row["item_id"] for row in again["items"] if row["item_id"] != "2"][:2]
    assert (np.array(sources(reader)) - before).tolist() == [1, 1, 0]
    assert first["items"]
    assert reader.metric("llmrec_cache_bytes") > 0


@pytest.mark.parametrize("user", ["1", "new"])
def test_a_user_s_events_are_read_at_once_and_advance_the_session(reader: Served, user: str) -> None:
    model = reader.service.run.model
    known = model.histories.of_user(user).items(0) if user == "1" else []
    sent: list[str] = []
    for n, item in enumerate(["3", "zz", "7", "1", "9", "4", "0"]):
        reader.post("/events", user_id=user, events=[{"item_id": item}])
        sent += [item] if item != "zz" else []
        before = np.array(sources(reader))
        rows = reader.post("/recommend", user_id=user, k=4)["items"]
        expected = model.recommend(Histories.of([known + sent]), 4)
        assert [row["item_id"] for row in rows] == expected["item_id"].to_list()
        np.testing.assert_allclose([row["score"] for row in rows], expected["score"], atol=1e-3)
        spent = (np.array(sources(reader)) - before).tolist()
        assert spent == ([1, 0, 0] if n == 0 else [0, 1, 0] if item == "zz" else [0, 0, 1])
    reader.post("/events", user_id=user, events=[{"item_id": str(n)} for n in range(5, 10)])
    rows = reader.post("/recommend", user_id=user, k=3)["items"]
    expected = model.recommend(Histories.of([known + sent + ["5", "6", "7", "8", "9"]]), 3)
    assert [row["item_id"] for row in rows] == expected["item_id"].to_list()
    assert reader.metric("llmrec_sessions") >= 1


def test_a_stack_that_takes_in_an_item_reads_with_it(
    tiny_recipe: Callable[..., Recipe], films: Dataset, tmp_path: Path
) -> None:
    """Of two LLMs: rules take in none."""
    split = Split.leave_last_out(films)
    recipes = [tiny_recipe("soft", "train.epochs=1", f"seed={seed}") for seed in (1, 2)]
    llms = [from_recipe(recipe).fit(split.train) for recipe in recipes]
    StackedRecommender.of(llms, split).save(tmp_path / "run")
    with served(tmp_path / "run", tmp_path / "events.sqlite") as one:
        one.post("/events", user_id="u", events=[{"item_id": "3"}])
        one.post("/recommend", user_id="u", k=3)
        columns = {"title": "A Quiet Zeppelin", "year": 2026}
        assert one.client.put("/items/new", json={"columns": columns}).status_code == 200
        one.post("/events", user_id="u", events=[{"item_id": "new"}])
        rows = one.post("/recommend", user_id="u", k=4)["items"]
        expected = one.service.run.model.recommend(Histories.of([["3", "new"]]), 4)
    assert [row["item_id"] for row in rows] == expected["item_id"].to_list()
    np.testing.assert_allclose([row["score"] for row in rows], expected["score"], atol=1e-3)


def test_without_memory_every_history_is_read_again(llm_run: Path, tmp_path: Path) -> None:
    with served(llm_run, tmp_path / "events.sqlite", cache_bytes=0) as one:
        one.post("/events", user_id="new", events=[{"item_id": "3"}, {"item_id": "4"}])
        answers = [one.post("/recommend", user_id="new", k=3)["items"] for _ in range(2)]
        assert answers[0] == answers[1]
        assert sources(one) == [2, 0, 0]
        assert one.metric("llmrec_cache_bytes") == 0


def test_the_oldest_go_first() -> None:
    cache: BoundedCache[str] = BoundedCache(3 * (OVERHEAD + 10))
    for name in "abc":
        cache.put(name, name.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert (cache.get("b"), cache.get("a"), len(cache)) == (None, "A", 3)
    cache.put("a", "AA", 10 + OVERHEAD)
    assert (cache.get("c"), cache.get("a"), cache.get("d")) == (None, "AA", "D")
    cache.put("e", "E", 10**9)
    assert (len(cache), cache.nbytes) == (0, 0)
