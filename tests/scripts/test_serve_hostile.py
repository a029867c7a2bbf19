"""Hostile requests to the real command: some of the 2,000 that eval/benchmarks/serve_hostile.py sends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.serving import NEEDS, films_with_years

pytest.importorskip("fastapi", reason=NEEDS)

from eval.benchmarks.hostile_requests import Target, is_list, post
from eval.benchmarks.serve_hostile import KINDS, Answer, Outcomes, attack, fault, hostile_request
from llmrec import Recipe
from llmrec.models import from_recipe
from llmrec.serve.security import HEADERS

TARGET = Target([str(n) for n in range(11)], ["1", "2"], "11")
SHOWN = {name.lower(): value for name, value in HEADERS.items()}
MOST_GROWTH = 150 * 2**20


def attacked(recipe: dict[str, Any], folder: Path, requests: Sequence[int]) -> Outcomes:
    from_recipe(Recipe.of(recipe)).fit(films_with_years()).save(folder / "run")
    return attack(folder / "run", requests=requests, seed=1, workers=4)


def waits_for_a_deadline(number: int) -> bool:
    request = hostile_request(number, 1, TARGET)
    return request.pause > 0 and not request.whole


@pytest.mark.slow
def test_each_is_refused_or_answered_right(tmp_path: Path) -> None:
    numbers = [number for number in range(3 * len(KINDS)) if not waits_for_a_deadline(number)]
    outcomes = attacked({"model": "markov"}, tmp_path, numbers)
    assert outcomes.failures == []
    assert min(sum(counts.values()) for counts in outcomes.statuses.values()) >= 2
    assert sum(counts[401] for counts in outcomes.statuses.values()) > 5
    assert max(outcomes.memory) < outcomes.memory[0] + MOST_GROWTH


@pytest.mark.slow
def test_many_to_a_network_are_refused_or_answered_right(tmp_path: Path) -> None:
    recipe = {"model": "gru", "sequence": {"dim": 16}, "train": {"epochs": 1, "batch_tokens": 600}}
    outcomes = attacked(recipe, tmp_path, range(12 * len(KINDS)))
    assert outcomes.failures == []
    assert max(outcomes.memory) < outcomes.memory[0] + MOST_GROWTH


def answered(value: object, status: int = 200, kind: str = "application/json") -> Answer:
    return Answer(status, SHOWN | {"content-type": kind}, json.dumps(value).encode())


def test_bad_answers_are_noticed() -> None:
    rows = [{"item_id": "1", "rank": 1, "score": 2.0}, {"item_id": "2", "rank": 2, "score": 1.0}]
    request = post("numbers", "/recommend", {}, right=is_list(2))
    refusal = {"error": {"code": "x", "message": "one line"}}
    good = [answered({"items": rows}), answered(refusal, status=422)]
    bad = [
        answered({"items": rows[::-1]}),
        answered({"items": [rows[0]] * 2}),
        answered({"items": rows}, kind="text/html"),
        answered({"error": {"code": "x", "message": "two\nlines"}}, status=422),
        answered({"error": {"code": "x", "message": "root:x:0:0"}}, status=422),
        answered(refusal, status=500),
        Answer(422, {"content-type": "application/json"}, json.dumps(refusal).encode()),
        Answer(0, {}, b"closed"),
    ]
    assert [fault(request, answer, {200, 422}) for answer in good] == [None, None]
    assert all(fault(request, answer, {200, 422}) for answer in bad)
    assert is_list(2, by_score=False)({"items": [{**rows[0], "score": 0.0}, rows[1]]})
    assert not is_list(1)({"items": rows})


def test_a_number_is_one_request() -> None:
    assert hostile_request(20, 3, TARGET) == hostile_request(20, 3, TARGET)
    assert len({hostile_request(number, 3, TARGET).kind for number in range(len(KINDS))}) == len(KINDS) >= 20
