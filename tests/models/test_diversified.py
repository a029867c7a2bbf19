"""A model with diverse lists: as `recommend(..., diversity=)` gives them, and judged beside itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmrec import Recipe, Split
from llmrec.cli.app import run
from llmrec.errors import DataError
from llmrec.models import Diversified, Recommender, from_recipe
from llmrec.retrieval import Filter


@pytest.fixture(scope="module")
def model(toy_split: Split) -> Recommender:
    """A small GRU."""
    values = {"model": "gru", "sequence": {"dim": 8, "max_items": 10}, "train": {"epochs": 1}}
    return from_recipe(Recipe.of(values)).fit(toy_split.train)


def test_its_lists_are_those_of_that_diversity(model: Recommender, toy_split: Split) -> None:
    histories, diverse = toy_split.test.histories, Diversified(model, 0.7)
    plain = model.recommend(histories, 4)
    wanted = model.recommend(histories, 4, diversity=0.7)
    assert diverse.recommend(histories, 4).equals(wanted)
    assert not wanted.equals(plain)
    only = Filter(allow=["1", "2", "3", "4", "5"])
    assert diverse.recommend(histories, 3, filter=only).equals(
        model.recommend(histories, 3, filter=only, diversity=0.7)
    )
    other = model.recommend(histories, 4, diversity=0.1)
    assert diverse.recommend(histories, 4, diversity=0.1).equals(other)


@pytest.mark.parametrize("diversity", [0.0, 1.5])
def test_a_diversity_that_says_nothing_is_refused(model: Recommender, diversity: float) -> None:
    with pytest.raises(DataError, match="diversity"):
        Diversified(model, diversity)


def test_evaluate_says_what_it_costs(model: Recommender, toy_split: Split, tmp_path: Path) -> None:
    toy_split.data.save(tmp_path / "data")
    model.save(tmp_path / "run", split=toy_split)
    words = ["evaluate", tmp_path / "run", "--people", 0, "--data", tmp_path / "data", "--out", tmp_path / "out"]
    assert run([*map(str, words), "--diversity", "0.7"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [row["model"] for row in report["results"]] == ["run", "run, diversity 0.7"]
    ndcg = [row["metrics"]["ndcg@10"]["mean"] for row in report["results"]]
    assert ndcg[0] != ndcg[1]
    assert {row["against"] for row in report["compared"]} == {"run, diversity 0.7"}
    assert run([*map(str, words[:-1]), str(tmp_path / "again"), "--diversity", "1.5"]) == 2
