"""Text metrics against values that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec.errors import DataError
from llmrec.evaluation.reasons.text_metrics import bleu, reading_ease, rouge_l, similarity, unique_ratio


def test_rouge_l() -> None:
    # The longest common subsequence of the last pair is "the cat sat": 3 of 3 words and 3 of 6.
    found = rouge_l(["a b", "x", "the cat sat"], ["a b", "y", "the black cat quietly sat down"])
    assert found.tolist() == pytest.approx([1.0, 0.0, 2 / 3])
    assert rouge_l(["推荐电影"], ["推荐好电影"], language="zh").tolist() == pytest.approx([2 * 1 * 0.8 / 1.8])


def test_bleu() -> None:
    text = "the cat sat on the mat today"
    assert bleu([text, "entirely different words"], [text, text])[0] == pytest.approx(1.0)
    assert bleu(["entirely different words"], [text])[0] < 0.1
    assert bleu(["我们推荐这部电影"], ["我们推荐这部电影"], language="zh")[0] == pytest.approx(1.0)


def test_reading_ease() -> None:
    easy, hard, none = reading_ease(
        ["The cat sat.", "Characteristically, institutional considerations predominate.", "1999!"]
    )
    # One sentence, three words, three syllables.
    assert easy == pytest.approx(206.835 - 1.015 * 3 - 84.6)
    assert hard < 0
    assert np.isnan(none)


def test_unique_ratio() -> None:
    assert unique_ratio(["a", "b", "a", "c"]) == 0.75
    with pytest.raises(DataError, match="no text"):
        unique_ratio([])


@pytest.mark.parametrize("metric", [rouge_l, bleu, similarity])
def test_each_text_needs_its_reference(metric: object) -> None:
    with pytest.raises(DataError, match="2 texts and 1 references"):
        metric(["a", "b"], ["a"])  # type: ignore[operator]


@pytest.mark.wheel
def test_similarity_follows_meaning() -> None:
    texts = ["A film about a war at sea.", "A film about a war at sea.", "A film about a war at sea."]
    found = similarity(texts, [texts[0], "A movie on naval battles.", "How to bake sourdough bread."])
    assert found[0] == pytest.approx(1.0, abs=1e-5)
    assert found[0] > found[1] > found[2] + 0.2
