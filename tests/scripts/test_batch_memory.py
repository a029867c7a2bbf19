"""The measurement of batch jobs runs, small, and says what it took."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.benchmarks import batch_memory


def test_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_memory, "TRAINED_ON", 50)
    batch_memory.prepare(60, tmp_path)
    row = batch_memory.answer(60, tmp_path)
    assert row["users"] == 60
    assert row["users_per_second"] > 0
    assert row["peak_memory_gib"] > 0
    assert row["written_mib"] > 0
