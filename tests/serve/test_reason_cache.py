"""Reasons are remembered by history and item, and forgotten when what they rest on changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
from support.serving import Served, served

from llmrec.reasons import NarrationRequest
from llmrec.serve.metrics import ServiceMetrics
from llmrec.serve.reason_cache import ReasonCache, key_of

ASKED: dict[str, Any] = {"history": ["3", "4"], "item_ids": ["5", "9"]}


def told(one: Served, **changes: object) -> str:
    response = one.client.post("/explain", json=ASKED | changes)
    assert response.status_code == 200, response.text
    return str(response.text)


def sources(one: Served, what: str = "evidence") -> tuple[float, float]:
    """Return how many came from the model and how many from memory."""
    model, memory = (
        one.metric("llmrec_reasons_total", what=what, source=source) for source in ("model", "memory")
    )
    return model, memory


def test_the_same_reasons_are_told_without_the_model(runs: Path, tmp_path: Path) -> None:
    with served(runs / "markov", tmp_path / "events.sqlite") as one:
        first = told(one)
        assert sources(one) == (2, 0)
        assert told(one) == first
        assert sources(one) == (2, 2)
        # Another language, form or list needs no other evidence; another history, or a rival, does.
        assert told(one, language="zh", item_ids=["9"]) != told(one, form="paragraph", item_ids=["5"])
        assert sources(one) == (2, 4)
        told(one, history=["4", "3"])
        told(one, instead="7")
        assert sources(one) == (6, 4)


def test_what_changes_drops_them(runs: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs / "markov", tmp_path / "markov"))
    with served(run, tmp_path / "events.sqlite") as one:
        assert "A Loud Balloon" not in told(one)
        user = one.service.run.model.histories.user_ids[0]
        changes: list[tuple[str, str, dict[str, object] | None]] = [
            ("PUT", "/items/4", {"columns": {"title": "A Loud Balloon"}}),
            ("DELETE", "/items/7", None),
            ("DELETE", f"/users/{user}", None),
            ("POST", "/reload", {}),
        ]
        for n, (method, path, body) in enumerate(changes, start=1):
            assert one.client.request(method, path, json=body).is_success
            assert "A Loud Balloon" in told(one)
            assert sources(one) == (2 * n + 2, 0), f"told from memory after {method} {path}"


class Counting:
    """A narrator that says the planned words and counts how often."""

    backend = "llm"
    n_calls = 0

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        self.n_calls += 1
        return [request.plain() for request in requests]


def test_an_llm_words_a_reason_once(runs: Path, tmp_path: Path) -> None:
    with served(runs / "markov", tmp_path / "events.sqlite") as one:
        reasoner, narrator = one.service.run.reasoner, Counting()
        reasoner._narrator = narrator
        first = told(one)
        # One of the two rests on nothing in the history: no LLM is asked.
        assert '"backend":"llm"' in first
        assert narrator.n_calls == 1
        assert told(one) == first
        assert narrator.n_calls == 1
        assert sources(one, "words") == (3, 1)
        told(one, tone="warm")
        assert narrator.n_calls == 2


def test_it_is_bounded_and_takes_nothing_from_before_a_change() -> None:
    cache = ReasonCache[str]("evidence", 1000, ServiceMetrics())
    for n in range(9):
        cache.put(n, f"{n}" * 50, cache.generation)
    assert len(cache) == 2
    assert cache.get(0) is None and cache.get(8) == "8" * 50
    before = cache.generation
    cache.clear()
    cache.put("late", "old", before)
    assert cache.get("late") is None
    none = ReasonCache[str]("evidence", 0, ServiceMetrics())
    none.put("any", "value", none.generation)
    assert len(none) == 0


def test_a_history_is_known_by_its_events_however_they_are_stored() -> None:
    events = pl.DataFrame({"item_id": ["3", "4"], "rating": [1.0, None]})
    assert key_of(pl.concat([events[:1], events[1:]], rechunk=False)) == key_of(events)
    assert key_of(events) != key_of(events.reverse())
    assert key_of(events) != key_of(events.with_columns(rating=pl.lit(1.0)))
