"""The comparison of one process with several runs, small, by accelerate's launcher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import llmrec
from eval.benchmarks import processes
from llmrec import Recipe
from llmrec.data import toy_films


@pytest.mark.slow
@pytest.mark.parametrize("config", ["ddp", "fsdp"])
def test_it_compares(
    tmp_path: Path,
    quick_gru: Recipe,
    tiny_recipe: Callable[..., Recipe],
    monkeypatch: pytest.MonkeyPatch,
    config: str,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    toy_films(n_items=24, n_users=30).save(tmp_path / "films")
    recipe = quick_gru if config == "ddp" else tiny_recipe("soft")
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    names = str(tmp_path / "recipe.yaml"), str(tmp_path / "films")
    row = processes.row(*names, tmp_path, processes=2, changes=["train.epochs=2"], config=config)
    assert row["recipe"] == recipe.name
    assert row["epochs"] == 2
    divided = llmrec.load(tmp_path / "recipe-2").metadata["cost"].get("divided")
    assert divided == (None if config == "ddp" else "blocks")
    assert row["largest_loss_difference"] <= 1e-3
    assert row["same_top_ten"] >= 0.99
