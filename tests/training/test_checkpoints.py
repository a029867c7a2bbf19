"""Training that is interrupted and resumed from a checkpoint ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.interruptions import Stop, assert_same_model, poison, stop_at

import llmrec.models.fit_network
import llmrec.models.sequential.base
from llmrec import Recipe, Split
from llmrec.errors import TrainingError
from llmrec.models import from_recipe
from llmrec.models.llm.history_encoder import HistoryEncoder
from llmrec.training import callback, trainer
from llmrec.training.checkpoints import load_trainable, trainable_state


def note_loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note which checkpoints training continues from."""
    plain, loaded = trainer._JobTrainer._load_from_checkpoint, []

    def noted(self: trainer._JobTrainer, resume_from_checkpoint: str, model: object = None) -> None:
        loaded.append(Path(resume_from_checkpoint))
        plain(self, resume_from_checkpoint, model)

    monkeypatch.setattr(trainer._JobTrainer, "_load_from_checkpoint", noted)
    return loaded


@pytest.mark.usefixtures("save_always")
@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (llmrec.models.sequential.base, "inputs_and_targets", 3),  # one step is done, a second batch is waiting
        (llmrec.models.sequential.base, "inputs_and_targets", 9),  # in the middle of an epoch
        (llmrec.models.fit_network, "ndcg_on", 2),  # an epoch is trained, but not validated
        (callback, "append_row", 3),
    ],
)
def test_interrupted_training_ends_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toy_split: Split,
    quick_gru: Recipe,
    module: object,
    name: str,
    call: int,
) -> None:
    recipe = Recipe.of(
        quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | {"epochs": 4, "batch_tokens": 60}}
    )
    whole = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    assert len(whole.train_log) == 4
    with monkeypatch.context() as patched:
        stop_at(patched, module, name, call)
        with pytest.raises(Stop):
            from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert list(tmp_path.glob("checkpoint-*"))
    resumed = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert_same_model(resumed, whole, toy_split)


@pytest.mark.slow
@pytest.mark.usefixtures("save_always")
@pytest.mark.parametrize(
    ("encoding", "more"),
    [("hybrid", ["train.accumulation=2"]), ("soft", ["head.item_encoder=finetuned", "head.refresh_every=3"])],
)
def test_an_interrupted_llm_ends_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toy_split: Split,
    tiny_recipe: Callable[..., Recipe],
    encoding: str,
    more: list[str],
) -> None:
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
def test_a_broken_newest_checkpoint_is_ignored(
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
    # The folder itself may be gone: training went on, and only the newest two checkpoints stay.
    assert loaded == [older]
    assert_same_model(resumed, whole, toy_split)


@pytest.mark.usefixtures("save_always")
def test_a_loss_that_is_no_number_stops_training(tmp_path: Path, toy_split: Split, quick_gru: Recipe) -> None:
    settings = quick_gru.train.model_dump() | {"learning_rate": 1e25, "warmup": 0.0}
    wild = Recipe.of(quick_gru.model_dump() | {"train": settings})
    with pytest.raises(
        TrainingError, match=r"^the (loss|weights) .* the last good checkpoint is \S+; lower"
    ) as raised:
        from_recipe(wild).fit(toy_split.train, work_dir=tmp_path)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.glob("checkpoint-*/trainer_state.json"))


@pytest.mark.usefixtures("save_always")
def test_weights_that_are_no_numbers_reach_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split, quick_gru: Recipe
) -> None:
    poison(monkeypatch)
    with pytest.raises(TrainingError, match="the weights are no numbers after step 1; there is no checkpoint yet"):
        from_recipe(quick_gru).fit(toy_split.train, work_dir=tmp_path)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_weights_of_another_network_are_refused() -> None:
    state = trainable_state(torch.nn.Linear(2, 3))
    load_trainable(torch.nn.Linear(2, 3), state)
    with pytest.raises(TrainingError, match="of another network"):
        load_trainable(torch.nn.Linear(2, 4), state)
    with pytest.raises(TrainingError, match="of another network"):
        load_trainable(torch.nn.Linear(2, 3, bias=False), state)
