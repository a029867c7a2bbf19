"""Training in two processes is that of one: the same batches, losses and weights, and checkpoints for both."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.interruptions import Stop, stop_at
from support.launching import ROOT, Launched, assert_alike, environment, fit_in_two, free_port, start, whole

import llmrec
import llmrec.models.sequential.base
from llmrec import Recipe, Split
from llmrec.data import toy_films
from llmrec.errors import DataError, InputError, RecipeError
from llmrec.models.registry import complete_recipe
from llmrec.training import callback, fsdp
from llmrec.training.batching import IGNORE, Batch
from llmrec.training.distributed import LAUNCHER
from llmrec.training.shares import is_spare, share_of, without_targets

FSDP = {"ACCELERATE_USE_FSDP": "true"}
LLM = ("train.epochs=2", "train.batch_tokens=400", "head.dropout=0", "lora.dropout=0")


@pytest.fixture(scope="module")
def split() -> Split:
    """More films than are recommended."""
    return Split.leave_last_out(toy_films(n_items=24, n_users=30))


@pytest.fixture(scope="module")
def launched(
    tmp_path_factory: pytest.TempPathFactory, split: Split, tiny_recipe: Callable[..., Recipe]
) -> Launched:
    """Two processes fit these one after the other; in the last one the second process dies. One start for all."""
    folder = tmp_path_factory.mktemp("launched")
    sequence = {"dim": 24, "dropout": 0.0, "max_items": 10}
    train = {"epochs": 4, "learning_rate": 2e-2, "batch_tokens": 60, "patience": 100}
    gru = {"name": "gru", "model": "gru", "seed": 1, "sequence": sequence, "train": train}
    recipes = {
        # Some batches have one window only: a process has none of its own.
        "gru": Recipe.of({**gru, "train": {**train, "accumulation": 2, "batch_tokens": 14}}),
        "sasrec": Recipe.of({**gru, "model": "sasrec", "train": {**train, "schedule": "open_ended"}}),
        "bert4rec": Recipe.of({**gru, "model": "bert4rec"}),
        "soft": tiny_recipe("soft", *LLM, "head.item_dropout=0.3"),
        "sampled": tiny_recipe(
            "hybrid", *LLM, "train.negatives=5", "train.title_loss=1", "head.item_encoder=finetuned"
        ),
        "timed": Recipe.of({**gru, "train": {**train, "max_minutes": 1e-6}}),
        "resumed": Recipe.of(gru),
        "dying": Recipe.of(gru),
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(callback, "SAVE_EVERY_SECONDS", 0.0)
        stop_at(patched, llmrec.models.sequential.base, "inputs_and_targets", 9)
        with pytest.raises(Stop):
            llmrec.fit(recipes["resumed"], split.data, split, folder / "resumed", progress=False)
    return fit_in_two(folder, split, recipes, {"resumed": {"resume": True}, "dying": {"dies_at": 10}})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "sasrec", "bert4rec", "soft", "sampled", "timed", "resumed"])
def test_two_processes_train_as_one_does(launched: Launched, split: Split, name: str) -> None:
    """Also where one of the two is left without a window, and where one process began and two went on."""
    assert (launched.runs / name).is_dir(), launched.errors
    model = llmrec.load(launched.runs / name)
    assert_alike(model, whole(launched, name, split), split)
    assert model.metadata["cost"]["processes"] == 2
    assert not (launched.runs / f"{name}.work").exists()


@pytest.mark.slow
def test_a_process_that_dies_ends_the_other_and_one_process_goes_on(launched: Launched, split: Split) -> None:
    assert launched.codes == [1, 9], launched.errors
    assert "error: another process of this training ended" in launched.errors[0]
    run = launched.runs / "dying"
    assert not run.exists()
    model = llmrec.fit(launched.recipes["dying"], split.data, split, run, resume=True, progress=False)
    assert model.metadata["cost"]["train_seconds"] > 0
    assert_alike(model, whole(launched, "dying", split), split)


def test_every_window_is_in_one_share_and_shares_are_balanced() -> None:
    windows = np.stack([np.arange(9), np.zeros(9, dtype=int), np.full(9, 4)], axis=1)
    sizes = np.array([80, 30, 31, 32, 81, 33, 34, 35, 82])
    shares = [share_of(Batch(0, windows, sizes), rank, 3) for rank in range(3)]
    assert sorted(row for share in shares for row in share.windows[:, 0]) == list(range(9))
    assert np.ptp([sizes[share.rows].sum() for share in shares]) < 10
    assert share_of(Batch(0, windows), 0, 1).whole is None
    spare = share_of(Batch(0, windows[:2]), 2, 3)
    assert is_spare(spare, 2)
    assert not is_spare(share_of(Batch(0, windows[:2]), 1, 3), 1)


def test_nothing_is_learned_from_a_spare_share() -> None:
    import torch

    tensors = {"targets": torch.tensor([[1, 2]]), "tokens": torch.tensor([[5, 6, 7]]), "n_tokens": torch.tensor(3)}
    blank = without_targets(tensors)
    assert set(blank["targets"].flatten().tolist()) == {IGNORE}
    assert int(blank["n_tokens"]) == 0
    assert not blank["title_labels"].any()


@pytest.mark.parametrize(
    ("kind", "size", "variables", "error", "words"),
    [
        ("gru", 31, {}, DataError, "31 processes for 30 histories.*--num_processes 30"),
        ("popularity", 2, {}, InputError, "model=popularity cannot be trained by 2 processes.*--num_processes 1"),
        ("gru", 2, {"ACCELERATE_USE_DEEPSPEED": "true"}, InputError, "DeepSpeed is not supported.*fsdp.yaml"),
        ("gru", 2, FSDP, InputError, "model=gru has no blocks of an LLM for FSDP to divide.*ddp.yaml"),
        ("llm", 2, {**FSDP, "FSDP_VERSION": "1"}, InputError, "FSDP version 1 is not supported.*fsdp_version: 2"),
        (
            "llm backbone.quantize=4bit",
            2,
            FSDP,
            RecipeError,
            "set backbone.quantize=none, or .*ddp.yaml",
        ),
        ("llm history.local_blocks=1", 2, FSDP, RecipeError, "set history.local_blocks=0, or launch"),
    ],
)
def test_what_processes_cannot_do_is_refused(
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    size: int,
    variables: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    for name, value in {**environment(0, size), **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=words):
        model, *changes = kind.split()
        recipe = Recipe(model=model).with_values(dict(change.split("=") for change in changes))
        llmrec.fit(recipe, split.data, split, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_fsdp_does_not_follow_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**environment(0, 2), **FSDP}.items():
        monkeypatch.setenv(name, value)
    recipe = complete_recipe(Recipe(model="llm").with_values({"train.follow_steps": 9}))
    with pytest.raises(RecipeError, match=r"set train\.follow_steps=0, or launch with .*ddp\.yaml"):
        fsdp.start(recipe, n_histories=30)


def test_a_world_without_a_launcher_is_refused(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT of a launcher are not set"):
        llmrec.fit(Recipe(model="gru"), split.data, split, tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("rank", "says"), [(0, 1), (1, 0)])
def test_only_the_first_process_says_what_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rank: int, says: int
) -> None:
    for name, value in environment(rank, 2).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["train.py", "gru", str(tmp_path / "nothing"), str(tmp_path / "run")])
    script = runpy.run_path(str(ROOT / "finetune/train.py"))
    script["main"].__globals__["_silence"] = lambda: None
    assert script["main"]() == 2
    assert capsys.readouterr().err.count("error: ") == says


@pytest.mark.slow
def test_bad_input_is_said_once(tmp_path: Path) -> None:
    words = ("gru", tmp_path / "nothing", tmp_path / "run")
    script, port = ROOT / "finetune/train.py", free_port()
    both = [start(script, *words, **environment(rank, 2, port)) for rank in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert [output[1].count("error: ") for output in outputs] == [1, 0]
    assert [len(output[1].splitlines()) for output in outputs] == [1, 0]
