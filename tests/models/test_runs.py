"""A run that is interrupted, killed or out of disk space can be resumed, or says what is wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from support.interruptions import Stop, assert_same_model, poison, stop_at

import llmrec.models.sequential.base
from llmrec import Recipe, Split
from llmrec.errors import ArtifactError, EnvironmentFault, TrainingError
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.registry import complete_recipe
from llmrec.models.runs import fit_run, load_run, work_dir
from llmrec.training import checkpoints, trainer

# Killed in the middle of training; saves checkpoints often, so that there is one to continue from.
DRIVER = """
import sys
from llmrec import Recipe, Split
from llmrec.data import toy_films
from llmrec.models.runs import fit_run
from llmrec.training import callback
callback.SAVE_EVERY_SECONDS = 0.1
data = toy_films(n_items=12, n_users=30)
split = Split.leave_last_out(data)
fit_run(Recipe.load(sys.argv[1]), data, split, sys.argv[2], resume="--resume" in sys.argv, progress=False)
"""


def test_a_run_that_was_only_not_written_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    """Stopped early by patience, then killed before the run directory was there."""
    impatient = Recipe.of(quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | {"patience": 2}})
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        stop_at(patched, Recommender, "save", 1)
        with pytest.raises(Stop):
            fit_run(impatient, toy_split.train, toy_split, out, progress=False)
    log = (work_dir(out) / "train_log.jsonl").read_text()
    assert len(log.splitlines()) < quick_gru.train.epochs
    model = fit_run(impatient, toy_split.train, toy_split, out, resume=True, progress=False)
    assert model.train_log == [json.loads(line) for line in log.splitlines()]
    assert load(out).train_log == model.train_log
    assert not work_dir(out).exists()


@pytest.mark.slow
def test_killed_and_started_again(tmp_path: Path, toy_split: Split, tiny_recipe: Callable[..., Recipe]) -> None:
    plain = tiny_recipe("soft")
    slow = Recipe.of(plain.model_dump() | {"train": plain.train.model_dump() | {"epochs": 16}})
    recipe, out, driver = tmp_path / "recipe.yaml", tmp_path / "run", tmp_path / "driver.py"
    recipe.write_text(slow.to_yaml())
    driver.write_text(DRIVER)
    command = [sys.executable, str(driver), str(recipe), str(out)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(work_dir(out).glob("checkpoint-*/trainer_state.json")):
        assert first.poll() is None, "it ended before there was a checkpoint"
        assert time.monotonic() < until
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not out.exists()
    with pytest.raises(ArtifactError, match=r"run is an interrupted run .*--resume"):
        load_run(out)
    with pytest.raises(ArtifactError, match="pass --resume to continue it"):
        fit_run(slow, toy_split.train, toy_split, out, progress=False)
    with pytest.raises(ArtifactError, match="a run of another recipe"):
        fit_run(plain, toy_split.train, toy_split, out, resume=True, progress=False)
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["driver.py", "recipe.yaml", "run"]
    whole = from_recipe(slow).fit(toy_split.train, valid=toy_split.valid)
    again = load_run(out)
    assert len(again.train_log) == 16
    np.testing.assert_allclose(
        again.score(toy_split.test.histories), whole.score(toy_split.test.histories), rtol=1e-3, atol=1e-3
    )


def test_a_complete_run_is_loaded_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    out = tmp_path / "run"
    short = Recipe.of(quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | {"epochs": 1}})
    model = fit_run(short, toy_split.train, toy_split, out, progress=False)
    with pytest.raises(ArtifactError, match="exists already"):
        fit_run(short, toy_split.train, toy_split, out, progress=False)
    stop_at(monkeypatch, trainer, "train", 1)
    again = fit_run(short, toy_split.train, toy_split, out, resume=True, progress=False)
    np.testing.assert_array_equal(again.score(toy_split.test.histories), model.score(toy_split.test.histories))
    with pytest.raises(ArtifactError, match="a run of another recipe"):
        fit_run(quick_gru, toy_split.train, toy_split, out, resume=True, progress=False)


def test_a_work_folder_that_cannot_be_removed_yet_fails_no_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, caplog: pytest.LogCaptureFixture
) -> None:
    """A network drive keeps a file that somebody has open under another name."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(os, "rmdir", refused)
    fit_run("markov", toy_split.train, toy_split, tmp_path / "run", progress=False)
    assert "run.work cannot be removed now; the finished run does not need it" in caplog.text
    monkeypatch.undo()
    assert load_run(tmp_path / "run").is_fitted


def test_a_failure_before_the_first_checkpoint_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toy_split: Split,
    quick_gru: Recipe,
    caplog: pytest.LogCaptureFixture,
) -> None:
    poison(monkeypatch)
    with pytest.raises(TrainingError):
        fit_run(quick_gru, toy_split.train, toy_split, tmp_path / "run", progress=False)
    assert not list(tmp_path.iterdir())
    assert "it ended before the first checkpoint: nothing is kept, a second try starts anew" in caplog.text


@pytest.mark.parametrize("note", ["whole", "missing"])
def test_a_run_killed_before_its_first_checkpoint_starts_anew_and_says_so(
    tmp_path: Path, toy_split: Split, quick_gru: Recipe, caplog: pytest.LogCaptureFixture, note: str
) -> None:
    short = Recipe.of(quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | {"epochs": 1}})
    out = tmp_path / "run"
    work_dir(out).mkdir()
    if note == "whole":
        mark = {"recipe": complete_recipe(short).to_yaml(), "split": toy_split.hash}
        (work_dir(out) / "run.json").write_text(json.dumps(mark))
    model = fit_run(short, toy_split.train, toy_split, out, resume=True, progress=False)
    assert len(model.train_log) == 1
    assert "interrupted before the first checkpoint: training starts anew" in caplog.text


@pytest.mark.usefixtures("save_always")
def test_a_training_that_an_earlier_version_began_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    """Its recipe lacked a field that came later. One that had a field which is gone, and did something, is not."""
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        stop_at(patched, Recommender, "save", 1)
        with pytest.raises(Stop):
            fit_run(quick_gru, toy_split.train, toy_split, out, progress=False)
    note = work_dir(out) / "run.json"
    begun, trained = json.loads(note.read_text()), (work_dir(out) / "train_log.jsonl").read_text()
    recipe = yaml.safe_load(begun["recipe"])
    assert recipe["train"].pop("shrink") == Recipe().train.shrink
    recipe["head"] = {"warm_start": "runs/other"}
    note.write_text(json.dumps(begun | {"recipe": yaml.safe_dump(recipe)}))
    with pytest.raises(ArtifactError, match="a run of another recipe"):
        fit_run(quick_gru, toy_split.train, toy_split, out, resume=True, progress=False)
    del recipe["head"]
    note.write_text(json.dumps(begun | {"recipe": yaml.safe_dump(recipe)}))
    model = fit_run(quick_gru, toy_split.train, toy_split, out, resume=True, progress=False)
    assert model.train_log == [json.loads(line) for line in trained.splitlines()]


@pytest.mark.usefixtures("save_always")
def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    out, plain, calls = tmp_path / "run", save_file, [0]

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        calls[0] += 1
        if calls[0] > 8:
            raise OSError(28, "No space left on device", str(path))
        plain(tensors, path)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save_file", full)
        with pytest.raises(EnvironmentFault, match=r"no space left for checkpoints .* pass --resume"):
            fit_run(quick_gru, toy_split.train, toy_split, out, progress=False)
    assert not out.exists()
    fit_run(quick_gru, toy_split.train, toy_split, out, resume=True, progress=False)
    whole = from_recipe(quick_gru).fit(toy_split.train, valid=toy_split.valid)
    assert_same_model(load(out), whole, toy_split)


def test_a_full_disk_at_the_end_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    short = Recipe.of(quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | {"epochs": 1}})
    out = tmp_path / "run"

    def full(*_: object) -> None:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patched:
        patched.setattr(llmrec.models.sequential.base, "write_tensors", full)
        with pytest.raises(EnvironmentFault, match=r"writing .*run failed: .* free some space"):
            fit_run(short, toy_split.train, toy_split, out, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run.work"]
    fit_run(short, toy_split.train, toy_split, out, resume=True, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
