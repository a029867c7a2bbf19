"""The load of a service runs, small, against the real command."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.serving import NEEDS

pytest.importorskip("fastapi", reason=NEEDS)

from eval.benchmarks import serve_load
from llmrec import Recipe
from llmrec.data import toy_films
from llmrec.models import from_recipe

BATCHES = {"llmrec_batch_size_sum": 8.0, "llmrec_batch_size_count": 2.0}


@pytest.mark.slow
def test_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve_load.MODES["one by one"] == ["--batch", "1"]
    monkeypatch.setattr(serve_load, "MODES", {"micro-batches": []})
    from_recipe(Recipe(model="markov")).fit(toy_films(n_items=12, n_users=30)).save(tmp_path / "run")
    tables = serve_load.measure(tmp_path / "run", clients=3, seconds=0.4, hot=0.5, mixed=True)
    (row,) = tables["Service under load"]
    assert row["errors"] == 0
    assert row["calls_per_second"] > 0 and row["times_one_by_one"] == 1
    assert 0 < row["memory_gib"] < 4
    names = {row["call"] for row in tables["Latencies by kind of call"]}
    assert {"list, remembered", "list, not remembered"} <= names
    assert all(row["p50_ms"] <= row["p99_ms"] for row in tables["Latencies by kind of call"])
    assert all(row["p99_over_p50"] >= 1 for row in tables["Latencies by kind of call"])


def test_a_load_is_summed_up() -> None:
    sources = {"memory": 70, "session": 10, "model": 20}
    metrics = {f'llmrec_user_vectors_total{{source="{name}"}}': float(count) for name, count in sources.items()}
    warm = {'llmrec_user_vectors_total{source="model"}': 10.0}
    load = serve_load.Load(memory=[50] * 119 + [100] * 180 + [103], metrics={**metrics, **BATCHES}, warm=warm)
    load.seconds["list, remembered"] = [0.1] * 4
    row = serve_load.row_of("m", load, seconds=300, cpu=150, start=2)
    assert row["memory_growth"] == pytest.approx(0.03)
    assert row["from_cache"] == pytest.approx(80 / 90)
    assert row["lists_per_batch"] == 4
    short = serve_load.Load(memory=[1, 1, 4, 4, 8], metrics=BATCHES)
    row = serve_load.row_of("m", short, seconds=5, cpu=5, start=2)
    assert (row["memory_growth"], row["from_cache"]) == (1, None)
