"""The measurement of divided items runs, small: losses are equal, and a process that divides them holds less."""

from __future__ import annotations

import pytest

from eval.benchmarks import item_shards


@pytest.mark.slow
def test_it_measures() -> None:
    row = item_shards.row(50_000, 2, users=8)
    assert row["largest_loss_difference"] <= 1e-4
    assert row["peak_memory_gib"] > 3 * row["table_gib"]
    assert row["peak_memory_divided_others_gib"] < 0.75 * row["peak_memory_gib"]
