"""Intervals that cover what they should, and tests that find what is there and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from llmrec.evaluation import significance
from llmrec.evaluation.significance import Interval, bootstrap, paired_p_value


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        interval = bootstrap(rng.binomial(1, 0.3, 150).astype(float), samples=400, seed=trial)
        covered += interval.low <= 0.3 <= interval.high
    assert 0.90 <= covered / 300 <= 0.98


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(2).choice([0.0, 0.5, 1.0], 300, p=[0.7, 0.2, 0.1])
    ours = bootstrap(values, samples=5000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=0)
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.006)


def test_same_seed_same_interval_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random(50)
    whole = bootstrap(values, samples=500, seed=7)
    assert bootstrap(values, samples=500, seed=7) == whole != bootstrap(values, samples=500, seed=8)
    monkeypatch.setattr(significance, "CELLS", 1000)
    assert bootstrap(values, samples=500, seed=7) == whole


def test_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap(np.zeros(4)) == Interval(mean=0.0, low=0.0, high=0.0)
    assert bootstrap(np.array([0.5])) == Interval(mean=0.5, low=0.5, high=0.5)


def test_intervals_know_when_they_overlap() -> None:
    low, high = Interval(mean=1, low=0, high=2), Interval(mean=4, low=3, high=5)
    assert not low.overlaps(high)
    assert low.overlaps(Interval(mean=2, low=2, high=3))


def test_a_constant_gain_is_found_and_pure_noise_is_not() -> None:
    rng = np.random.default_rng(4)
    one = rng.random(200)
    assert paired_p_value(one + 0.1 + rng.normal(0, 0.1, 200), one) < 0.001
    p_values = [paired_p_value(rng.normal(size=40), rng.normal(size=40), samples=499, seed=n) for n in range(60)]
    assert np.mean(np.array(p_values) < 0.05) < 0.15


def test_equal_models_are_not_distinguishable() -> None:
    same = np.array([0.0, 1.0, 0.5])
    assert paired_p_value(same, same) == 1.0
    assert paired_p_value(same, np.array([0.0, 1.0, 0.0])) == 1.0


def test_few_users_are_counted_out_exactly() -> None:
    # All 2^5 sign flips: only the two where every sign agrees are as extreme.
    assert paired_p_value(np.ones(5), np.zeros(5)) == pytest.approx(2 / 32)
