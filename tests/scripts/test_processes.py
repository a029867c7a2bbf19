"""The comparison of one process with several runs, small, by accelerate's launcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.benchmarks import processes
from llmrec import Recipe
from llmrec.data import toy_films


@pytest.mark.slow
def test_it_compares(tmp_path: Path, quick_gru: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    toy_films(n_items=24, n_users=30).save(tmp_path / "films")
    (tmp_path / "gru.yaml").write_text(quick_gru.to_yaml(), encoding="utf-8")
    names = str(tmp_path / "gru.yaml"), str(tmp_path / "films")
    row = processes.row(*names, tmp_path, processes=2, changes=["train.epochs=2"])
    assert row["recipe"] == "quick"
    assert row["epochs"] == 2
    assert row["largest_loss_difference"] <= 1e-3
    assert row["same_top_ten"] >= 0.99
