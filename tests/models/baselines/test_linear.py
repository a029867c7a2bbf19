"""The linear models against the same regressions written out on a handful of letters."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from support.letters import dataset, fitted, scored

from llmrec.arrays import Float64s
from llmrec.data import Dataset
from llmrec.errors import TrainingError
from llmrec.models.baselines import linear

LOG = ["abcad", "bcd", "dacb", "c", "aab", "dbcaacbd"]
FIELDS: dict[str, dict[str, object]] = {
    "linear": {"regularization": 0.5},
    "counting": {"half_life": 2.0, "neighbors": 50},
}


def next_item_weights(log: list[str], *, half_life: float, regularization: float, items: str) -> Float64s:
    """Solve the regression with every context as a row of a dense matrix."""
    contexts, targets = [], []
    for history, at in ((one, at) for one in log for at in range(1, len(one))):
        row = np.zeros(len(items))
        for age, item in enumerate(reversed(history[:at])):
            row += 0.5 ** (age / half_life) * np.array([item == other for other in items])
        if row.any():
            contexts.append(row / np.linalg.norm(row))
            targets.append([float(item == history[at]) for item in items])
    x, y = np.array(contexts), np.array(targets)
    return np.linalg.solve(x.T @ x + regularization * np.eye(len(items)), x.T @ y)


def test_linear_is_the_ridge_regression_of_the_next_item(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = next_item_weights(LOG, half_life=2.0, regularization=0.5, items="abcd")
    expected = weights[2] + weights[0] * 0.5**0.5
    for pairs_at_once in (3, 10**6):
        monkeypatch.setattr(linear, "PAIRS_AT_ONCE", pairs_at_once)
        model = fitted("linear", dataset(LOG), **FIELDS)
        np.testing.assert_allclose(list(scored(model, "ac").values()), expected, atol=1e-5)


def test_linear_knows_what_comes_after_and_ease_does_not() -> None:
    data = dataset(["abc"] * 5 + ["bca"] * 5)
    after = scored(fitted("linear", data, **FIELDS), "b")
    assert after["c"] > after["a"] + 0.1
    beside = scored(fitted("ease", data, **FIELDS), "b")
    assert beside["c"] == pytest.approx(beside["a"], abs=1e-5)


def test_ease_is_the_closed_form_with_a_zero_diagonal() -> None:
    x = np.array([[float(item in history) for item in "abcd"] for history in LOG])
    inverse = np.linalg.inv(x.T @ x + 0.5 * np.eye(4))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    model = fitted("ease", dataset(LOG), **FIELDS)
    np.testing.assert_allclose(list(scored(model, "ac").values()), weights[2] + weights[0] * 0.5**0.5, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "ease"])
def test_an_item_keeps_its_largest_weights(kind: str) -> None:
    counting = {**FIELDS["counting"], "neighbors": 2}
    every = scored(fitted(kind, dataset(LOG), **FIELDS), "b")
    two = scored(fitted(kind, dataset(LOG), linear=FIELDS["linear"], counting=counting), "b")
    largest = sorted(every, key=lambda item: -abs(every[item]))[:2]
    for item in every:
        assert two[item] == pytest.approx(every[item] if item in largest else 0, abs=1e-5)


@pytest.mark.parametrize("kind", ["linear", "ease"])
def test_a_large_catalog_is_cut_to_its_most_frequent_items_and_says_so(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def two_items(data: Dataset) -> dict[str, float]:
        two: dict[str, object] = {"regularization": 0.5, "max_items": 2}
        return scored(fitted(kind, data, linear=two, counting=FIELDS["counting"]), "ca")

    data = dataset(["abca", "cbac", "bca", "d", "ac", "e", "e"])  # a and c are the most frequent
    with caplog.at_level(logging.INFO):
        scores = two_items(data)
    assert "solving for 2 items takes about" in caplog.text
    assert "the other 3 of 5 items with events are ranked by popularity (linear.max_items=2)" in caplog.text
    assert min(scores["a"], scores["c"]) != 0
    assert 1e-6 > scores["b"] > scores["e"] > scores["d"] > 0
    if kind == "linear":
        weights = next_item_weights(
            ["abca", "cbac", "bca", "d", "ac", "e", "e"], half_life=2.0, regularization=0.5, items="ac"
        )
        expected = weights[0] + weights[1] * 0.5**0.5
        np.testing.assert_allclose([scores["a"], scores["c"]], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "ease"])
def test_the_memory_is_named_before_anything_is_computed(
    kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ShortOfMemory:
        def zeros(self, *_: object, **__: object) -> None:
            assert "solving for 4 items takes about 1.2e-07 GiB of memory" in caplog.text
            raise MemoryError

        def __getattr__(self, name: str) -> object:
            return getattr(np, name)

    monkeypatch.setattr("llmrec.models.baselines.ridge.np", ShortOfMemory())
    with (
        caplog.at_level(logging.DEBUG, logger="llmrec"),
        pytest.raises(TrainingError, match=r"lower linear\.max_items"),
    ):
        fitted(kind, dataset(LOG), **FIELDS)


@pytest.mark.parametrize("kind", ["linear", "ease"])
def test_too_little_regularization_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(TrainingError, match=r"linear\.regularization=1e-60 leaves"):
        fitted(kind, dataset(["abc"] * 4), linear={"regularization": 1e-60})


@pytest.mark.parametrize("kind", ["linear", "ease"])
@pytest.mark.parametrize("log", [["a"], ["a", "b"], ["aaaa"], ["ab"]])
def test_logs_without_anything_to_learn_are_ranked_by_popularity(kind: str, log: list[str]) -> None:
    model = fitted(kind, dataset([*log, "b"]))
    empty = scored(model, "")
    assert empty["a"] + empty["b"] == pytest.approx(1e-6)
    assert np.isfinite(list(scored(model, "a").values())).all()
