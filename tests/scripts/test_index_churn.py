"""An index on a small scale: changed while it is searched, and killed in the middle of changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval import report
from eval.benchmarks import index_churn
from eval.benchmarks.index_stress import ids_after
from eval.common import read_result


@pytest.mark.slow
def test_nothing_removed_is_returned_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "--items 600 --changes 60 --at-once 3 --dim 16 --threads 3 --idle-seconds 0.1 --kills 1 --out"
    monkeypatch.setattr("sys.argv", ["index_churn.py", *words.split(), str(tmp_path)])
    index_churn.main()
    churned, killed = (section["rows"] for section in read_result(tmp_path / "index_churn-600.json")["sections"])
    assert [row["kind"] for row in churned] == ["flat", "hnsw", "ivf-flat"]
    for row in churned:
        assert (row["errors"], row["removed ones returned"], row["all changes there"]) == (0, 0, True)
        assert row["searches"] > 10
        assert min(row["search_ms"], row["idle_search_ms"], row["change_ms"], row["idle_change_ms"]) > 0
    assert churned[0]["scores of a rebuild"] == churned[0]["recall@10"] == 1.0
    assert min(row["recall@10"] for row in churned[1:]) >= 0.98
    assert [row["every change there"] for row in killed] == [True]
    section = report.Section(
        "Tiny", "What was measured.", ("python tiny.py",), (tmp_path / "index_churn-600.json",)
    )
    assert "removed ones returned" in report.body(section, tmp_path)


def test_what_a_sequence_of_changes_leaves() -> None:
    assert ids_after("x", 0) == []
    assert ids_after("x", 1) == ["x-0a", "x-0b"]
    assert ids_after("x", 2) == ["x-0b"]
    assert ids_after("x", 3) == ["x-0b", "x-2a", "x-2b"]
