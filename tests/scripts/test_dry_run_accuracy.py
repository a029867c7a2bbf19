"""What a dry run says and what the fit took stand beside each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eval.benchmarks.dry_run_accuracy import compared, expected, taken
from llmrec import Recipe, Split


def test_both_are_measured(gru_with: Callable[..., Recipe], toy_split: Split, tmp_path: Path) -> None:
    recipe = tmp_path / "gru.yaml"
    recipe.write_text(gru_with(epochs=2).to_yaml(), encoding="utf-8")
    row = compared(expected(str(recipe), [], toy_split), taken(str(recipe), [], toy_split))
    assert row["epochs_fit"] == 2
    assert row["seconds_dry_run"] > 0
    assert abs(row["memory_error"]) < 0.15
    assert row["token_error"] == 0


def test_errors_are_shares_of_what_it_took() -> None:
    said = {"seconds": 11.0, "peak_memory_gib": 1.0, "epoch_tokens": 9}
    row = compared(said, {"seconds": 10.0, "peak_memory_gib": 2.0, "epoch_tokens": 12})
    assert (row["time_error"], row["memory_error"], row["token_error"]) == (0.1, -0.5, -0.25)
