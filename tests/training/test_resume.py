"""A run that is interrupted, killed or starved ends as if nothing had happened, or says what is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import llmrec.models.fit_network
import llmrec.models.sequential.base
from llmrec import Recipe, Split
from llmrec.errors import ArtifactError, EnvironmentFault, TrainingError
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.llm.history_encoder import HistoryEncoder
from llmrec.models.runs import fit_run, load_run, work_dir
from llmrec.training import trainer

# Killed in the middle of training; saves checkpoints often, so that there is one to continue from.
DRIVER = """
import sys
from llmrec import Recipe, Split
from llmrec.data import toy_films
from llmrec.models.runs import fit_run
from llmrec.training import trainer
trainer.SAVE_EVERY_SECONDS = 0.1
data = toy_films(n_items=12, n_users=30)
split = Split.leave_last_out(data)
fit_run(Recipe.load(sys.argv[1]), data, split, sys.argv[2], resume="--resume" in sys.argv, progress=False)
"""


class Stop(BaseException):
    """What a test raises in the middle of training."""


@pytest.fixture
def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY_SECONDS", 0.0)


def stop_at(monkeypatch: pytest.MonkeyPatch, place: object, name: str, call: int) -> None:
    """Let ``place.name`` raise Stop when it is called for the ``call``-th time."""
    plain, calls = getattr(place, name), [0]

    def count_features(*args: object, **named: object) -> object:
        calls[0] += 1
        if calls[0] == call:
            raise Stop
        return plain(*args, **named)

    monkeypatch.setattr(place, name, count_features)


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step leave a weight that is no number behind a loss that is one."""
    plain = trainer._CourseTrainer.compute_loss

    def poisoned(self: object, model: torch.nn.Module, *rest: object, **named: object) -> torch.Tensor:
        loss = plain(self, model, *rest, **named)
        model.bias.data[0] = float("nan")
        return loss

    monkeypatch.setattr(trainer._CourseTrainer, "compute_loss", poisoned)


def note_loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note which checkpoints training continues from."""
    plain, loaded = trainer._CourseTrainer._load_from_checkpoint, []

    def noted(self: trainer._CourseTrainer, resume_from_checkpoint: str, model: object = None) -> None:
        loaded.append(Path(resume_from_checkpoint))
        plain(self, resume_from_checkpoint, model)

    monkeypatch.setattr(trainer._CourseTrainer, "_load_from_checkpoint", noted)
    return loaded


def assert_same_model(one: Recommender, other: Recommender, split: Split) -> None:
    np.testing.assert_array_equal(one.score(split.test.histories), other.score(split.test.histories))
    drop = {"seconds"}
    logs = [[{k: v for k, v in row.items() if k not in drop} for row in model.train_log] for model in (one, other)]
    assert logs[0] == logs[1]
    assert logs[0]


@pytest.mark.usefixtures("save_always")
@pytest.mark.parametrize(
    ("place", "name", "call"),
    [
        (llmrec.models.sequential.base, "inputs_and_targets", 3),  # one step is done, a second batch is waiting
        (llmrec.models.sequential.base, "inputs_and_targets", 9),  # in the middle of an epoch
        (llmrec.models.fit_network, "ndcg_on", 2),  # an epoch is trained, but not judged
        (trainer, "append_row", 3),
    ],
)
def test_interrupted_training_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe,
    place: object, name: str, call: int,
) -> None:  # fmt: skip
    recipe = Recipe.of(
        quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | {"epochs": 4, "batch_tokens": 60}}
    )
    whole = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    assert len(whole.train_log) == 4
    with monkeypatch.context() as patched:
        stop_at(patched, place, name, call)
        with pytest.raises(Stop):
            from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert list(tmp_path.glob("checkpoint-*"))
    resumed = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert_same_model(resumed, whole, toy_split)


@pytest.mark.usefixtures("save_always")
@pytest.mark.parametrize(
    ("encoding", "more"),
    [("hybrid", ["train.accumulation=2"]), ("soft", ["head.item_encoder=finetuned", "head.refresh_every=3"])],
)
def test_an_interrupted_llm_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, tiny_recipe: Callable[..., Recipe],
    encoding: str, more: list[str],
) -> None:  # fmt: skip
    changes = ["head.item_dropout=0.3", "lora.dropout=0.1", "train.epochs=2", "train.batch_tokens=400"]
    budget = ["train.batch_tokens=60"] if encoding == "soft" else []
    recipe = tiny_recipe(encoding, *changes, "head.dropout=0.1", "train.schedule=cosine", *more, *budget)
    whole = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    with monkeypatch.context() as patched:
        stop_at(patched, HistoryEncoder, "collate", 10)
        with pytest.raises(Stop):
            from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert list(tmp_path.glob("checkpoint-*"))
    resumed = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert_same_model(resumed, whole, toy_split)


@pytest.mark.usefixtures("save_always")
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_broken_newest_checkpoint_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe, damage: str
) -> None:
    whole = from_recipe(quick_gru).fit(toy_split.train, valid=toy_split.valid)
    with monkeypatch.context() as patched:
        stop_at(patched, llmrec.models.sequential.base, "inputs_and_targets", 14)
        with pytest.raises(Stop):
            from_recipe(quick_gru).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    older, newest = sorted(tmp_path.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    note = newest / "trainer_state.json"
    if damage == "missing":
        note.unlink()
    else:
        note.write_text(note.read_text()[:40])
    (tmp_path / "checkpoint-9999").mkdir()
    loaded = note_loaded(monkeypatch)
    resumed = from_recipe(quick_gru).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    # Not whether it is still there: training went on, and only the newest two are kept.
    assert loaded == [older]
    assert_same_model(resumed, whole, toy_split)


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


@pytest.mark.parametrize("kind", ["gru", "llm"])
def test_killed_and_started_again(
    tmp_path: Path, toy_split: Split, quick_gru: Recipe, tiny_recipe: Callable[..., Recipe], kind: str
) -> None:
    plain = quick_gru if kind == "gru" else tiny_recipe("soft")
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


@pytest.mark.usefixtures("save_always")
def test_a_loss_that_is_no_number_stops_training(tmp_path: Path, toy_split: Split, quick_gru: Recipe) -> None:
    settings = quick_gru.train.model_dump() | {"learning_rate": 1e25, "warmup": 0.0}
    wild = Recipe.of(quick_gru.model_dump() | {"train": settings})
    with pytest.raises(
        TrainingError, match=r"^the (loss|weights) .* the last good checkpoint is \S+; lower"
    ) as labels:
        from_recipe(wild).fit(toy_split.train, work_dir=tmp_path)
    assert "\n" not in str(labels.value)
    assert list(tmp_path.glob("checkpoint-*/trainer_state.json"))


@pytest.mark.usefixtures("save_always")
def test_weights_that_are_no_numbers_reach_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    poison(monkeypatch)
    with pytest.raises(TrainingError, match="the weights are no numbers after step 1; there is no checkpoint yet"):
        from_recipe(quick_gru).fit(toy_split.train, work_dir=tmp_path)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_failure_before_the_first_checkpoint_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    poison(monkeypatch)
    with pytest.raises(TrainingError):
        fit_run(quick_gru, toy_split.train, toy_split, tmp_path / "run", progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("save_always")
def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    out, plain, calls = tmp_path / "run", trainer.save_file, [0]

    def full(tensors: object, path: Path) -> None:
        calls[0] += 1
        if calls[0] > 8:
            raise OSError(28, "No space left on device", str(path))
        plain(tensors, path)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "save_file", full)
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
