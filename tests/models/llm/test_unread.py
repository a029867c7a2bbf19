"""A loaded LLM run reads its base model when it is first needed, and once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from llmrec import Recipe, Split, load
from llmrec.data import Catalog
from llmrec.errors import ArtifactError
from llmrec.llm.bases import Base
from llmrec.models import LLMRecommender
from llmrec.models.llm import unread
from llmrec.models.llm.files import read_llm
from llmrec.models.llm.state import LLMState


@pytest.fixture(scope="module")
def model(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    return LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train)


@pytest.fixture
def run(model: LLMRecommender, tmp_path: Path) -> Path:
    model.save(tmp_path / "run")
    return tmp_path / "run"


PROGRAM = """
import sys, llmrec
model = llmrec.load(sys.argv[1])
assert model.is_fitted and len(model.histories) and len(model.catalog) and model.narration_base
assert model.item_vectors().shape == (12, 32)
assert model.similar_items(["3"], 2).height == 2
assert "torch" not in sys.modules
"""


def test_the_base_model_waits_until_it_is_needed(run: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", PROGRAM, run], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_answers_are_the_same_before_and_after(run: Path, model: LLMRecommender) -> None:
    loaded = load(run)
    before, vectors = loaded.similar_items(["3", "5"], 4), loaded.item_vectors()
    loaded.prepare()
    after = loaded.similar_items(["3", "5"], 4)
    assert before.drop("score").equals(after.drop("score"))
    np.testing.assert_allclose(before["score"], after["score"], atol=1e-5)
    np.testing.assert_array_equal(vectors, loaded.item_vectors())
    np.testing.assert_array_equal(loaded.score(model.histories), model.score(model.histories))


def test_threads_read_it_once(run: Path, model: LLMRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[Path]()

    def counted(folder: Path, recipe: Recipe, catalog: Catalog, *, base: Base, only_scores: bool) -> LLMState:
        calls.append(folder)
        return read_llm(folder, recipe, catalog, base=base, only_scores=only_scores)

    monkeypatch.setattr(unread, "read_llm", counted)
    loaded, expected = load(run), model.score(model.histories)
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(loaded.score, [model.histories] * 4))
    assert calls == [run]
    for one in scores:
        np.testing.assert_array_equal(one, expected)


def test_a_run_from_a_relative_path_is_read_from_anywhere(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    loaded = load("run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded.prepare()


def test_a_run_that_changed_meanwhile_is_refused(run: Path) -> None:
    loaded = load(run)
    manifest = run / "manifest.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["files"]["head.safetensors"] = "0" * 64
    manifest.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ArtifactError, match="has changed since it was loaded; load it again"):
        loaded.prepare()
    manifest.unlink()
    with pytest.raises(ArtifactError, match="has no manifest"):
        loaded.score(loaded.histories)


def test_a_second_fit_needs_no_base_of_the_first(
    run: Path, toy_split: Split, model: LLMRecommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(run)
    monkeypatch.setattr(unread, "read_llm", None)
    loaded.fit(toy_split.train)
    np.testing.assert_array_equal(loaded.score(model.histories), model.score(model.histories))
