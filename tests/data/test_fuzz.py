"""Damaged logs: 200 of the 10,000 that eval/benchmarks/fuzz.py makes."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

FUZZ = Path(__file__).parents[2] / "eval" / "benchmarks" / "fuzz.py"


def test_damaged_logs_are_read_or_refused() -> None:
    spec = importlib.util.spec_from_file_location("llmrec_fuzz", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    fuzz = importlib.util.module_from_spec(spec)
    sys.modules["llmrec_fuzz"] = fuzz
    spec.loader.exec_module(fuzz)
    found = [fuzz.guarded(case, 1) for case in range(200)]
    assert [text for outcome, text in found if outcome == "failed"] == []
    counts = Counter(outcome for outcome, _ in found)
    assert min(counts["read"], counts["refused"]) > 20
