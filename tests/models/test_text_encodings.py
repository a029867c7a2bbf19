"""Item texts as vectors: standardized once, and new ones by the same numbers."""

from __future__ import annotations

import numpy as np

from llmrec.models.text_encodings import TextEncodings

RAW = np.random.default_rng(0).normal(3.0, 2.0, size=(20, 6)).astype(np.float32)


def test_standardized_vectors_have_mean_0_and_unit_mean_square() -> None:
    encodings = TextEncodings.standardized(RAW)
    assert encodings.texts.dtype == encodings.mean.dtype == np.float32
    np.testing.assert_allclose(encodings.texts.mean(axis=0), 0, atol=1e-6)
    assert abs(np.mean(encodings.texts**2) - 1) < 1e-5


def test_new_items_do_not_move_the_others() -> None:
    """The same text gets the same vector, whether it was there in training or came later."""
    encodings = TextEncodings.standardized(RAW)
    rows = np.array([2, 20, 21])
    longer = encodings.with_rows(rows, np.concatenate([RAW[3:5], RAW[:1] * 50]))
    assert longer.texts.dtype == np.float32
    others = np.delete(np.arange(20), 2)
    np.testing.assert_array_equal(longer.texts[others], encodings.texts[others])
    np.testing.assert_array_equal(longer.texts[[2, 20]], encodings.texts[3:5])
    assert (longer.mean == encodings.mean).all()
    assert longer.scale == encodings.scale


def test_texts_that_are_all_the_same_have_a_scale() -> None:
    encodings = TextEncodings.standardized(np.ones((3, 2), dtype=np.float32))
    assert encodings.scale == 1.0
    assert not encodings.texts.any()
