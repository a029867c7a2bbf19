"""Intervals that cover what they should, and tests that find what is there and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from llmrec.arrays import Float64s
from llmrec.evaluation import significance
from llmrec.evaluation.significance import Interval, bootstrap, holm, paired_p_value


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


@pytest.mark.parametrize("values", [np.random.default_rng(3).random(50), np.arange(60) % 3 / 2])
def test_same_seed_same_interval_whatever_the_chunks(values: Float64s, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(values, samples=500, seed=7)
    assert bootstrap(values, samples=500, seed=7) == whole != bootstrap(values, samples=500, seed=8)
    monkeypatch.setattr(significance, "CELLS", 1000)
    assert bootstrap(values, samples=500, seed=7) == whole


def test_values_that_are_all_distinct_give_scipys_interval_too() -> None:
    values = np.random.default_rng(5).random(200)
    ours = bootstrap(values, samples=5000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=0)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)


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
    assert paired_p_value(same, np.array([0.0, 1.0, 0.0])) == 1.0  # one user, whichever way it flips


@pytest.mark.parametrize("gain", [0.0, 0.03, 0.06])
def test_p_value_agrees_with_scipy(gain: float) -> None:
    rng = np.random.default_rng(6)
    one, other = (rng.choice([0.0, 0.5, 1.0], 250, p=[0.6, 0.2, 0.2]) for _ in range(2))
    differences = (one + gain - other,)
    theirs = scipy.stats.permutation_test(
        differences, np.mean, permutation_type="samples", n_resamples=4999, rng=0
    )
    assert paired_p_value(one + gain, other) == pytest.approx(theirs.pvalue, abs=0.025)


def test_five_users_who_agree_are_as_extreme_as_two_of_all_flips() -> None:
    assert paired_p_value(np.ones(5), np.zeros(5)) == pytest.approx(2 / 2**5, abs=0.01)


def test_holm_by_hand() -> None:
    # 4 x 0.005, 3 x 0.01, then 2 x 0.03; the last may not fall below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_keeps_false_alarms_rare() -> None:
    rng = np.random.default_rng(6)
    alarms = sum(min(holm(rng.random(8).tolist())) < 0.05 for _ in range(2000))
    assert 0.03 < alarms / 2000 < 0.065
