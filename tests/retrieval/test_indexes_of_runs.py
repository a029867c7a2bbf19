"""Indexes of a fitted model's vectors: in memory, from its run, and of its users."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.sealed import seal

from llmrec import ItemIndex, Recipe, Split, UserIndex
from llmrec.errors import ArtifactError, DataError
from llmrec.models import Recommender, from_recipe
from llmrec.models.saved_vectors import similar_in_run

SMALL = {"sequence": {"dim": 16, "max_items": 10}, "train": {"epochs": 2, "batch_tokens": 120}}
RECIPES = {
    "als": {"model": "als", "als": {"factors": 8}},
    "sasrec": {"model": "sasrec", **SMALL},
    "bert4rec": {"model": "bert4rec", **SMALL},
    "gru-events": {"model": "gru-events", **SMALL},
}


@pytest.fixture(scope="module")
def fitted(tiny_recipe: Callable[..., Recipe], toy_split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    recipes = {name: Recipe.of(values) for name, values in RECIPES.items()}
    for name, recipe in {**recipes, "llm": tiny_recipe("soft", "train.epochs=1")}.items():
        from_recipe(recipe).fit(toy_split.train).save(folder / name)
    return folder


@pytest.mark.parametrize("name", [*RECIPES, "llm"])
def test_an_index_scores_as_the_model_does(name: str, fitted: Path, toy_split: Split, tmp_path: Path) -> None:
    model, histories = load(fitted / name), toy_split.test.histories
    users = model.embed_users(histories)
    assert users is not None
    for index in (ItemIndex.open(fitted / name), model.item_index("flat")):
        result = index.search(users, 12)
        by_code = np.take_along_axis(result.scores, np.argsort(result.codes, axis=1), axis=1)
        np.testing.assert_allclose(by_code, model.score(histories), rtol=1e-4, atol=1e-4)
    model.user_index(histories).save(tmp_path / "users")
    people = UserIndex.open(tmp_path / "users")
    assert people.ids == list(histories.user_ids)
    np.testing.assert_array_equal(people.vectors, users)


def load(run: Path) -> Recommender:
    from llmrec.models import load as load_model

    return load_model(run)


def test_users_lie_beside_a_run(fitted: Path, toy_split: Split) -> None:
    with pytest.raises(
        ArtifactError, match=r"holds no vectors of users; write them to .*als\.users by: llmrec exp"
    ):
        UserIndex.open(fitted / "als")
    model = load(fitted / "als")
    vectors = model.embed_users(model.histories)
    assert vectors is not None
    UserIndex.build(vectors, model.histories.user_ids, run=fitted / "als").save(fitted / "als.users")
    assert UserIndex.open(fitted / "als").ids == list(model.histories.user_ids)
    assert ItemIndex.open(fitted / "als", run=fitted / "als").facts.n == 12
    UserIndex.open(fitted / "als.users").save(fitted / "sasrec.users")
    with pytest.raises(ArtifactError, match="is an index of another run than"):
        UserIndex.open(fitted / "sasrec")
    with pytest.raises(ArtifactError, match="is an index of another run than"):
        UserIndex.open(fitted / "als.users", run=fitted / "sasrec")


def test_runs_without_vectors(toy_split: Split, tmp_path: Path) -> None:
    model = from_recipe(Recipe(model="popularity")).fit(toy_split.train)
    model.save(tmp_path / "run")
    with pytest.raises(ArtifactError, match="holds no item vectors: popularity models have none"):
        ItemIndex.open(tmp_path / "run")
    with pytest.raises(DataError, match="popularity models have no item vectors to index"):
        model.item_index()
    with pytest.raises(DataError, match="popularity models have no vectors of users"):
        model.user_index()


def test_an_index_of_other_items_is_refused(fitted: Path, tmp_path: Path, toy_split: Split) -> None:
    load(fitted / "als").save(tmp_path / "run")
    file = tmp_path / "run" / "index.faiss"
    content = file.read_bytes()
    for damaged in (content[:-4], b"IxHN" + content[4:], content[:8] + b"\x0b" + content[9:], b""):
        file.write_bytes(damaged)
        seal(tmp_path / "run")
        with pytest.raises(ArtifactError, match="is not an index of this run's 12 items"):
            ItemIndex.open(tmp_path / "run")


def test_similar_items_of_damaged_vectors_are_refused(fitted: Path, tmp_path: Path) -> None:
    load(fitted / "als").save(tmp_path / "run")
    file = tmp_path / "run" / "index.faiss"
    file.write_bytes(file.read_bytes()[:-8] + np.array([np.nan, 0], dtype=np.float32).tobytes())
    seal(tmp_path / "run")
    with pytest.raises(ArtifactError, match=r"index\.faiss is damaged: it holds NaN or infinity"):
        similar_in_run(tmp_path / "run", ["3"])


PROGRAM = """
import sys
from llmrec.cli.app import run
assert run(["similar", sys.argv[1], "--item", "3", "-k", "2", "--json"]) == 0
heavy = ("torch", "transformers", "peft", "scipy", "sklearn", "matplotlib")
loaded = [name for name in heavy if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.parametrize("name", ["llm", "sasrec"])
def test_similar_loads_no_model(name: str, fitted: Path) -> None:
    """Nor what a model is made of."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(fitted / name)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert '"rank": 2' in done.stdout


def test_the_index_of_a_run_is_changed_by_its_model(fitted: Path, tmp_path: Path) -> None:
    index = ItemIndex.open(fitted / "als")
    first = index.ids[0]
    with pytest.raises(DataError, match="the items of a run are changed by its model; save this index"):
        index.remove([first])
    with pytest.raises(DataError, match="the items of a run are changed by its model"):
        index.compact()
    index.save(tmp_path / "index")
    opened = ItemIndex.open(tmp_path / "index")
    opened.remove([first])
    assert ItemIndex.open(tmp_path / "index").ids == index.ids[1:]
