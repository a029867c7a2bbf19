"""The check of a GPU runs on a CPU, tiny: every part returns tables, and without a GPU it says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from eval.benchmarks.gpu_check import main
from eval.benchmarks.gpu_parts import PARTS, Settings

SPEEDS = {"recommend": "users_per_second", "titles": "users_per_second"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(PARTS) - {"quantized"}))  # 4 bits take the minutes of a small test
def test_a_part_measures(name: str, tiny_base: Path) -> None:
    part = PARTS[name](Settings.tiny(str(tiny_base)))
    first = next(iter(part.sections.values()))
    assert all(row[SPEEDS.get(name, "tokens_per_second")] > 0 for row in first)
    if name in ("text", "soft", "sasrec"):
        assert part.report is not None
        assert part.sections["Epochs"]


def test_results_are_written_once_and_failures_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gpu_check-sasrec.json").write_text("{}", encoding="utf-8")
    words = ["gpu_check.py", "--tiny", "--out", str(tmp_path), "--base", str(tmp_path), "--parts", "sasrec"]
    monkeypatch.setattr(sys, "argv", words)
    main()
    assert json.loads((tmp_path / "gpu_check-sasrec.json").read_text(encoding="utf-8")) == {}
    monkeypatch.setattr(sys, "argv", [*words, "soft", "recommend"])  # the base is a folder without a model
    with pytest.raises(SystemExit, match="not measured: soft; see"):
        main()
    assert "Error" in (tmp_path / "gpu_check-soft.log").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "gpu_check-recommend.json").read_text(encoding="utf-8"))["sections"]
    assert "recommend: done" in capsys.readouterr().out


def test_without_a_gpu_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert "no GPU is visible" in capsys.readouterr().err
