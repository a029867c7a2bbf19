"""Ray's workers write the same rows as one process, also where one of them is killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest
from polars.testing import assert_frame_equal

import llmrec
from llmrec import Recipe, Split
from llmrec.data import toy_films
from llmrec.errors import DataError
from llmrec.jobs import engines

ray = pytest.importorskip("ray", reason="the extra is not installed: pip install 'llmrec[ray]'")


@pytest.fixture(scope="module", autouse=True)
def _one_cluster() -> Iterator[None]:
    """Both tests share what starts in seconds."""
    engines.start(ray)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GRU of the toy films."""
    path, data = tmp_path_factory.mktemp("ray") / "run", toy_films(n_items=12, n_users=40)
    recipe = Recipe.of({"model": "gru", "sequence": {"dim": 8}, "train": {"epochs": 1, "batch_tokens": 400}})
    llmrec.fit(recipe, data, Split.leave_last_out(data), path, progress=False)
    return path


def _kill_one_worker(out: Path, killed: list[int]) -> None:
    """Kill a worker of this process's Ray as soon as a first part is written."""
    while not list(out.glob("part-*")):
        time.sleep(0.005)
    for process in psutil.Process(os.getpid()).children(recursive=True):
        if process.name().startswith("ray::Worker"):
            process.kill()
            killed.append(process.pid)
            return


@pytest.mark.slow
def test_a_killed_worker_is_survived(run: Path, tmp_path: Path) -> None:
    llmrec.batch(run, tmp_path / "local", k=5, rows_per_part=5)
    killed = list[int]()
    killer = threading.Thread(target=_kill_one_worker, args=(tmp_path / "ray", killed))
    killer.start()
    done = llmrec.batch(run, tmp_path / "ray", k=5, rows_per_part=5, engine="ray", workers=1)
    killer.join()
    assert len(killed) == 1
    assert (done.n_parts, done.written) == (40, 40)
    ours, theirs = (
        pl.concat([pl.read_parquet(path) for path in sorted((tmp_path / name).glob("part-*"))])
        for name in ("local", "ray")
    )
    assert_frame_equal(ours, theirs, abs_tol=1e-4)
    assert not list((tmp_path / "ray").glob(".*"))


@pytest.mark.slow
def test_a_worker_s_error_comes_as_it_was_raised(run: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").mkdir()
    pl.DataFrame({"user_id": ["1"], "thing": ["3"]}).write_parquet(tmp_path / "wrong" / "events.parquet")
    (tmp_path / "wrong" / "dataset.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="histories: no column 'item_id' among user_id, thing"):
        llmrec.batch(run, tmp_path / "out", data=tmp_path / "wrong", engine="ray", workers=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["job.json"]
