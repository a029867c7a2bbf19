"""The baselines on logs small enough to know each score by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec import Histories, Recipe
from llmrec.data import Catalog, Dataset, Sequences
from llmrec.errors import DataError, EnvironmentFault, ModelError
from llmrec.models import Recommender, from_recipe
from llmrec.models.baselines.item_knn import recency_weights
from llmrec.models.sequential.bert4rec import masked
from llmrec.training.batching import IGNORE


def dataset(histories: list[str], times: list[int] | None = None, *, order_only: bool = False) -> Dataset:
    """One user per text, one item per letter."""
    rows = [(str(user), item) for user, items in enumerate(histories) for item in items]
    items = sorted({item for _, item in rows})
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    events = events.with_columns(timestamp=pl.Series(times or list(range(len(rows)))))
    catalog = Catalog(pl.DataFrame({"item_id": items, "title": [item.upper() for item in items]}))
    return Dataset(events, catalog, order_only=order_only)


def fitted(model: str, data: Dataset, **sections: dict[str, object]) -> Recommender:
    return from_recipe(Recipe.of({"model": model, **sections})).fit(data)


def scored(model: Recommender, history: str) -> dict[str, float]:
    (row,) = model.score(Histories.of([list(history)])).tolist()
    return dict(zip(model.catalog.ids, row, strict=True))


def test_markov_adds_what_each_context_says() -> None:
    data = dataset(["abc", "abd", "xbd", "xbd"])
    share = {"a": 2, "b": 4, "c": 1, "d": 3, "x": 2}
    one, three = fitted("markov", data), fitted("markov", data, counting={"order": 3})
    assert scored(one, "ab") == pytest.approx(
        {item: n / 12 + {"c": 1 / 4, "d": 3 / 4}.get(item, 0) for item, n in share.items()}
    )
    assert scored(three, "ab") == pytest.approx(
        {item: n / 12 + {"c": 1 / 4 + 1 / 2, "d": 3 / 4 + 1 / 2}.get(item, 0) for item, n in share.items()}
    )
    assert scored(three, "cb") == pytest.approx(scored(one, "cb"))  # nobody went c, b: backed off
    assert scored(three, "") == pytest.approx({item: n / 12 for item, n in share.items()})


def test_markov_does_not_step_from_one_user_to_the_next() -> None:
    found = scored(fitted("markov", dataset(["ab", "cd"]), counting={"order": 2}), "b")
    assert set(found.values()) == {0.25}


def test_recent_counts_the_newest_events() -> None:
    data = dataset(["aaaaa", "b"], [1, 2, 3, 4, 5, 10])
    found = scored(fitted("recent", data, counting={"recent_share": 0.2}), "")
    assert found == pytest.approx({"a": 1 + 5 / 7, "b": 1 + 1 / 7})
    found = scored(fitted("recent", data, counting={"recent_share": 0.1}), "")
    assert found == pytest.approx({"a": 5 / 7, "b": 1 + 1 / 7})
    with pytest.raises(DataError, match="mean no time, so nothing is recent; use popularity"):
        fitted("recent", dataset(["ab"], order_only=True))


def test_repeat_last_puts_the_newest_first() -> None:
    found = scored(fitted("repeat-last", dataset(["aaaab", "cd"])), "cdc")
    assert sorted(found, key=found.__getitem__, reverse=True) == ["c", "d", "a", "b"]
    assert (found["c"], found["d"]) == (2.0, 1.5)


def test_item_knn_is_the_shrunk_cosine() -> None:
    data = dataset(["ab", "ab", "ac", "aab"])
    model = fitted("item-knn", data, counting={"shrink": 1.0, "half_life": 1.0})
    alike = {"b": 3 / (np.sqrt(4 * 3) + 1), "c": 1 / (np.sqrt(4 * 1) + 1)}
    found = scored(model, "a")
    assert found["b"] == pytest.approx(alike["b"], abs=1e-5)
    assert found["c"] == pytest.approx(alike["c"], abs=1e-5)
    assert found["a"] == pytest.approx(0, abs=1e-5)
    assert scored(model, "bc")["a"] == pytest.approx(alike["c"] + alike["b"] / 2, abs=1e-5)
    nearest = fitted("item-knn", data, counting={"shrink": 1.0, "neighbors": 1})
    assert scored(nearest, "a")["c"] == pytest.approx(0, abs=1e-5)


def test_weights_halve_with_age() -> None:
    data = dataset(["abc"])
    weights = recency_weights(Sequences.encode(data.histories, data.catalog), 1.0, n_items=3)
    assert weights.toarray().tolist() == [[0.25, 0.5, 1.0]]


def test_als_folds_a_history_in_as_the_library_does() -> None:
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    data = dataset(["abc", "abd", "cd", "bca"])
    model = fitted("als", data, als={"factors": 3, "alpha": 5.0, "regularization": 0.1, "iterations": 4})
    with threadpool_limits(limits=1):
        theirs = AlternatingLeastSquares(factors=3, alpha=5.0, regularization=0.1, num_threads=1, use_gpu=False)
        theirs.item_factors = model.item_vectors()
        user = theirs.recalculate_user(0, csr_matrix(np.array([[1.0, 0, 1.0, 0]], dtype=np.float32)))
    expected = model.item_vectors() @ user
    np.testing.assert_allclose(list(scored(model, "ca").values()), expected, atol=1e-4)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    with pytest.raises(EnvironmentFault, match=r"implicit is not installed: pip install 'llmrec\[baselines\]'"):
        fitted("als", dataset(["ab"]))


def test_masks_hide_some_and_keep_the_rest() -> None:
    data = dataset(["abcdefgh", "ab", "c"])
    sequences = Sequences.encode(data.histories, data.catalog)
    windows = np.array([[0, 2, 6], [1, 0, 1], [2, 0, 0]])
    hidden = np.zeros(3, dtype=int)
    for seed in range(200):
        draw = np.random.default_rng(seed)
        inputs, targets = masked(sequences, windows, mask=99, share=0.3, draw=draw)
        assert inputs.shape == targets.shape == (3, 5)
        whole = np.where(inputs == 99, targets, inputs)
        assert whole.tolist() == [[2, 3, 4, 5, 6], [0, 1, -1, -1, -1], [2, -1, -1, -1, -1]]
        assert ((targets == IGNORE) == (inputs != 99)).all()
        assert ((inputs == 99).sum(axis=1) >= 1).all()
        hidden += (inputs == 99).sum(axis=1)
    assert hidden[2] == 200
    assert 0.25 < hidden[0] / 200 / 5 < 0.45


@pytest.fixture(scope="module")
def sentence_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with mean pooling, as sentence-transformers saves it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    place = tmp_path_factory.mktemp("encoder")
    words = place / "vocab.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=13, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(place / "bert")
    BertTokenizer(str(words)).save_pretrained(place / "bert")
    reader = Transformer(str(place / "bert"))
    SentenceTransformer(modules=[reader, Pooling(16)], device="cpu").save(str(place / "whole"))
    return place / "whole"


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
