"""What stacking reads of members and queries, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec import Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.models import Recommender, from_recipe
from llmrec.models.stacking import features
from llmrec.models.stacking.features import KNOWN_FROM, choices_of, contexts_of, feature_of, known_by


class Logits(Recommender):
    """Only says what its scores are."""

    kind = "logits"
    scores_are_logits = True
    _fit = _score = _save = _load = None  # type: ignore[assignment]


@pytest.fixture(scope="module")
def rule(toy_split: Split) -> Recommender:
    return from_recipe(Recipe.load("item-knn")).fit(toy_split.train)


def test_logits_stay_and_others_are_logged_by_their_highest(rule: Recommender) -> None:
    scores = np.array([[1.0, 3.0, -2.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(feature_of(Logits(), scores), [[-2, 0, -5], [0, 0, 0]])
    expected = np.log1p(np.array([[1 / 0.06, 3 / 0.06, 0], [0, 0, 0]]))
    np.testing.assert_allclose(feature_of(rule, scores), expected, rtol=1e-6)
    np.testing.assert_allclose(feature_of(rule, np.asfortranarray(scores)), expected, rtol=1e-6)


def test_contexts_by_hand(rule: Recommender) -> None:
    catalog = rule.catalog
    histories = Histories.of({"a": [catalog.ids[2], catalog.ids[0]], "b": []})
    counts = np.arange(5, 5 + len(catalog))
    scores = np.zeros((2, len(catalog)), dtype=np.float32)
    scores[0, 1] = 0.5
    known = [known_by(member, scores.max(axis=1)) for member in (Logits(), rule)]
    made = contexts_of(known, Sequences.encode(histories, catalog), counts)
    length, last = np.log1p(2), np.log1p(5)
    np.testing.assert_allclose(made[:, 0], [[1, length, last, 0], [1, 0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(made[:, 1, 3], np.log([KNOWN_FROM + 0.5, KNOWN_FROM]), rtol=1e-6)


def test_alternatives_stand_for_every_item_that_is_open(
    rule: Recommender, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ALL_UP_TO": 1, "BEST_OF_EACH": 2, "SAMPLED": 2}.items():
        monkeypatch.setattr(features, name, value)
    counts = np.zeros(len(rule.catalog), dtype=np.int64)
    choices = choices_of([rule], toy_split.valid, counts, exclude_seen=True, seed=0)
    seen = [len(set(history)) for history in toy_split.valid.histories]
    assert choices.targets.shape[1] < len(rule.catalog)
    np.testing.assert_allclose(
        np.exp(choices.log_weight).sum(axis=1), len(rule.catalog) - np.array(seen), rtol=1e-5
    )
