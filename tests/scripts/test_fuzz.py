"""Damaged logs: 200 of the 10,000 that eval/benchmarks/fuzz.py makes."""

from __future__ import annotations

from collections import Counter

import pytest

from eval.benchmarks import fuzz
from eval.benchmarks.against_stdlib import check_against_stdlib


@pytest.mark.slow
def test_damaged_logs_are_read_or_refused() -> None:
    outcomes = [fuzz.guarded(case, 1) for case in range(200)]
    assert [text for outcome, text in outcomes if outcome == "failed"] == []
    counts = Counter(outcome for outcome, _ in outcomes)
    assert min(counts["read"], counts["refused"]) > 20


def test_whole_logs_are_read_as_python_s_readers_read_them() -> None:
    """60 of the 2,000 that ``fuzz.py --against-stdlib`` makes."""
    outcomes = [fuzz.guarded(case, 0, check_against_stdlib) for case in range(190, 250)]
    assert [text for outcome, text in outcomes if outcome == "failed"] == []
    counts = Counter(outcome for outcome, _ in outcomes)
    assert counts["read"] > 40
    assert counts["refused"] > 0
