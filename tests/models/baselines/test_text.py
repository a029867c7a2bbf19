"""Recommendation by the texts of items alone."""

from __future__ import annotations

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
