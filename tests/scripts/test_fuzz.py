"""Damaged logs: 200 of the 10,000 that eval/benchmarks/fuzz.py makes."""

from __future__ import annotations

from collections import Counter

from eval.benchmarks import fuzz


def test_damaged_logs_are_read_or_refused() -> None:
    outcomes = [fuzz.guarded(case, 1) for case in range(200)]
    assert [text for outcome, text in outcomes if outcome == "failed"] == []
    counts = Counter(outcome for outcome, _ in outcomes)
    assert min(counts["read"], counts["refused"]) > 20
