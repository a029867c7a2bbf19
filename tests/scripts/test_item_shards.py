"""The measurement of divided items runs, small: losses are equal, and both memories are measured."""

from __future__ import annotations

import pytest

from eval.benchmarks import item_shards


@pytest.mark.slow
def test_it_measures() -> None:
    row = item_shards.row(300, 2, users=40)
    assert row["largest_loss_difference"] <= 1e-4
    assert row["peak_memory_gib"] >= 0 <= row["peak_memory_divided_first_gib"]
