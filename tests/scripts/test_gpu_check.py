"""The check of a GPU runs on a CPU, tiny: every part returns tables, and without a GPU it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from eval.benchmarks.gpu_parts import PARTS, Settings

TINY = Settings(
    dtype="float32",
    films="toy",
    ml_1m="toy",
    text_minutes=0.02,
    peer_minutes=0.005,
    soft_minutes=0.02,
    sasrec_epochs=1,
    lines=40,
    encode_tokens=(512,),
    peer_batches=(16,),
    train_tokens=512,
    histories=50,
    matrix=32,
    compiled=False,
)
SPEEDS = {"padded": "tokens_per_second", "encode": "tokens_per_second", "recommend": "users_per_second"}


@pytest.mark.parametrize("name", sorted(set(PARTS) - {"quantized"}))  # 4 bits take the minutes of a small test
def test_a_part_measures(name: str, tiny_base: Path) -> None:
    part = PARTS[name](Settings(**{**vars(TINY), "base": str(tiny_base)}))
    first = next(iter(part.sections.values()))
    assert all(row[SPEEDS.get(name, "tokens_per_second")] > 0 for row in first)
    if name in ("text", "soft", "sasrec"):
        assert part.report is not None
        assert part.sections["Epochs"]


def test_results_are_written_once_and_failures_are_named(tmp_path: Path) -> None:
    (tmp_path / "gpu_check-sasrec.json").write_text("{}", encoding="utf-8")
    words = [sys.executable, "-m", "eval.benchmarks.gpu_check", "--tiny", "--out", str(tmp_path)]
    there = subprocess.run([*words, "--parts", "sasrec"], capture_output=True, text=True, check=False)
    assert there.returncode == 0
    assert json.loads((tmp_path / "gpu_check-sasrec.json").read_text(encoding="utf-8")) == {}
    broken = [*words, "--parts", "soft", "--base", str(tmp_path)]  # a folder without a model
    failed = subprocess.run(broken, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "not measured: soft" in failed.stderr


def test_without_a_gpu_it_refuses(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words = [sys.executable, "-m", "eval.benchmarks.gpu_check", "--out", str(tmp_path)]
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no GPU is visible" in refused.stderr
