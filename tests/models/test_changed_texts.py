"""Models over item texts encode a text that changed anew, as it was encoded in training, and no other one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrec import Histories, Recipe, Split
from llmrec.arrays import Float32s
from llmrec.errors import DataError, ModelError
from llmrec.llm import texts as text_encoder
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.text_encodings import TextEncodings
from llmrec.prompting import Prompt

SEEN = Histories.of([["3", "4"], []])
EARLIER = TextEncodings(np.zeros((12, 4), dtype=np.float32), np.zeros(0, dtype=np.float32), 1.0)


@pytest.fixture(scope="module", params=["text", "gru-text", "gru-text-events"])
def run(
    request: pytest.FixtureRequest, tiny_base: Path, toy_split: Split, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    values = {"model": request.param, "text": {"encoder": str(tiny_base), "encoder_type": "causal"}}
    if request.param != "text":
        values |= {"sequence": {"dim": 8, "max_items": 8}, "train": {"epochs": 1}}
    folder = tmp_path_factory.mktemp("texts") / "run"
    from_recipe(Recipe.of(values)).fit(toy_split.train).save(folder)
    return folder


def vectors(model: Recommender) -> Float32s:
    rows = model.item_vectors()
    assert rows is not None
    return rows.copy()


def test_only_what_changed_is_encoded(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded, plain = list[list[str]](), text_encoder.encode_texts

    def counted(texts: list[str], encoder: str, *, encoder_type: Any) -> tuple[Float32s, dict[str, str]]:
        encoded.append(texts)
        return plain(texts, encoder, encoder_type=encoder_type)

    monkeypatch.setattr(text_encoder, "encode_texts", counted)
    model = load(run)
    before, scores = vectors(model), model.score(SEEN)
    model.update_items({"item_id": ["7", "3"], "title": [model.catalog.titles[n] for n in (5, 3)]})
    assert [len(texts) for texts in encoded] == [1]
    others = np.delete(np.arange(12), 7)
    np.testing.assert_allclose(vectors(model)[7], before[5], atol=1e-4)
    np.testing.assert_array_equal(vectors(model)[others], before[others])
    np.testing.assert_array_equal(vectors(load(run)), before)
    np.testing.assert_array_equal(model.score(SEEN)[:, others], scores[:, others])
    model.save(tmp_path / "saved")
    again = load(tmp_path / "saved")
    np.testing.assert_allclose(again.score(SEEN), model.score(SEEN), atol=1e-6)
    again.update_items({"item_id": ["7"], "title": ["Film 07: Velvet Lantern"]})  # its statistics were saved, too
    assert len(encoded) == 2


@pytest.mark.parametrize("kind", ["text", "gru-text"])
def test_a_text_changes_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_base: Path, toy_split: Split, kind: str
) -> None:
    """Its encoder and its prompt may have been named from where the model was fitted."""
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(tiny_base, tmp_path / "encoder")
    (tmp_path / "wording.yaml").write_text(Prompt.load("title").to_yaml(), encoding="utf-8")
    text = {"encoder": "encoder", "encoder_type": "causal", "prompt": "wording.yaml"}
    trained = {} if kind == "text" else {"sequence": {"dim": 8}, "train": {"epochs": 1}}
    monkeypatch.chdir(tmp_path)
    from_recipe(Recipe.of({"model": kind, "text": text, **trained})).fit(toy_split.train).save("run")
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = load("../run")
    before = vectors(model)
    model.update_items({"item_id": ["7"], "title": [model.catalog.titles[5]]})
    np.testing.assert_allclose(vectors(model)[7], before[5], atol=1e-4)


def test_what_cannot_be_encoded_as_before_is_refused(run: Path) -> None:
    model = load(run)
    model.metadata["encoder"] = {"name": "another", "identity": "another"}
    with pytest.raises(ModelError, match="is another one than that of the other texts"):
        model.update_items({"item_id": ["7"], "title": ["Another title"]})
    assert model.catalog.titles[7] != "Another title"
    model._encodings = EARLIER  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="was fitted by an earlier version of llmrec"):
        model.update_items({"item_id": ["7"], "title": ["Another title"]})
    model.remove_items(["7"])  # this needs no encoder
