"""What training does besides optimizing: validate, log, keep the best, stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import TrainingArguments

from llmrec import Recipe, Split
from llmrec.config import TrainConfig
from llmrec.data import Fold, toy_films
from llmrec.errors import TrainingError
from llmrec.models import fit_network, from_recipe
from llmrec.models.fit_network import ndcg_on, sample_of
from llmrec.runtime import matmul_precision
from llmrec.training import trainer
from llmrec.training.checkpoints import best_row, load_trainable, trainable_state
from llmrec.training.progress import Progress


@pytest.fixture
def changed(quick_gru: Recipe) -> Callable[..., Recipe]:
    def change(**train: object) -> Recipe:
        return Recipe.of(quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | train})

    return change


def test_the_best_weights_are_kept(toy_split: Split, changed: Callable[..., Recipe]) -> None:
    model = from_recipe(changed(epochs=6)).fit(toy_split.train, valid=toy_split.valid)
    assert [row["epoch"] for row in model.train_log] == [1, 2, 3, 4, 5, 6]
    best = max(row["valid_ndcg@10"] for row in model.train_log)
    assert ndcg_on(model, toy_split.valid) == pytest.approx(best, abs=1e-6)
    assert model.metadata["cost"]["tokens_per_second"] > 0
    # Each history of six is read once an epoch: five of its items (the last one has no answer) and the start.
    assert [row["tokens"] for row in model.train_log] == [30 * 6] * 6


def test_items_never_trained_on_are_validated_among_themselves() -> None:
    """Popularity ranks them behind all others: within the whole catalog it would find none."""
    data = toy_films(n_items=60, n_users=60)
    split = Split.cold_items(data, share=0.1)
    model = from_recipe(Recipe(model="popularity")).fit(split.train)
    assert set(model.recommend(split.valid.histories)["item_id"]).isdisjoint(split.valid.answers["item_id"])
    assert ndcg_on(model, split.valid) > 0.2


def test_without_validation_the_newest_weights_are_kept(toy_split: Split, changed: Callable[..., Recipe]) -> None:
    model = from_recipe(changed(epochs=3, patience=1)).fit(toy_split.train)
    assert len(model.train_log) == 3
    assert "valid_ndcg@10" not in model.train_log[0]


@pytest.mark.parametrize("accumulation", [2, 3, 100])
def test_epochs_end_where_accumulated_steps_allow(
    toy_split: Split, changed: Callable[..., Recipe], accumulation: int
) -> None:
    model = from_recipe(changed(epochs=5, accumulation=accumulation)).fit(toy_split.train, valid=toy_split.valid)
    epochs = [row["epoch"] for row in model.train_log]
    # A step that takes batches of three epochs ends the first of them for all.
    assert epochs == {2: [1, 2, 3, 4, 5], 3: [1, 2, 4, 5], 100: [1]}[accumulation]
    assert sum(row["tokens"] for row in model.train_log) == 5 * 30 * 6


def test_accumulated_batches_learn_like_one(toy_split: Split, changed: Callable[..., Recipe]) -> None:
    """Batches of equal size: two halves, accumulated, are the whole."""
    one = changed(epochs=2, batch_tokens=60, accumulation=1, schedule="constant")
    still = one.model_dump() | {"sequence": one.sequence.model_dump() | {"dropout": 0.0}}
    halves = still | {"train": still["train"] | {"batch_tokens": 30, "accumulation": 2}}
    losses = [from_recipe(Recipe.of(r)).fit(toy_split.train).train_log[0]["loss"] for r in (still, halves)]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_the_optimizer_s_time_counts(
    toy_split: Split, changed: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = torch.optim.AdamW.step

    def slow(self: torch.optim.AdamW, closure: None = None) -> object:
        time.sleep(0.5)
        return plain(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", slow)
    model = from_recipe(changed(epochs=1, batch_tokens=10_000)).fit(toy_split.train)
    assert model.train_log[0]["seconds"] >= 0.5


@pytest.mark.parametrize("kind", ["allocator", "python"])
def test_too_little_memory_names_the_fields_to_change(
    toy_split: Split, changed: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def starved(*_: object, **__: object) -> torch.Tensor:
        if kind == "python":
            raise MemoryError
        return torch.empty(10**15)  # more than any machine has: the allocator's own words

    monkeypatch.setattr(trainer._CourseTrainer, "compute_loss", starved)
    with pytest.raises(TrainingError, match=r"train\.batch_tokens=77: .*accumulation, .*gradient_checkpointing"):
        from_recipe(changed(batch_tokens=77)).fit(toy_split.train)


def test_several_gpus_do_not_change_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TrainingArguments.__post_init__

    def two(self: TrainingArguments) -> None:
        plain(self)
        self._n_gpu = 2

    monkeypatch.setattr(TrainingArguments, "__post_init__", two)
    course = trainer.Course([], lambda _: {}, None, tmp_path, Progress("tiny", shown=False))
    made = trainer._arguments(course, TrainConfig(), 1, seed=0, bf16=False)
    assert made.n_gpu == made.train_batch_size == 1


def test_patience_and_the_clock_stop_training(toy_split: Split, changed: Callable[..., Recipe]) -> None:
    timed = from_recipe(changed(epochs=20, max_minutes=1e-6)).fit(toy_split.train, valid=toy_split.valid)
    assert len(timed.train_log) == 1
    patient = from_recipe(changed(epochs=60, patience=2)).fit(toy_split.train, valid=toy_split.valid)
    best = best_row(patient.train_log)
    assert len(patient.train_log) < 60
    assert patient.train_log[-1]["epoch"] == best["epoch"] + 2


def test_validation_asks_a_fixed_sample(toy_split: Split) -> None:
    one, two = (sample_of(toy_split.valid, 7, seed=1) for _ in range(2))
    assert one.histories.user_ids == two.histories.user_ids
    assert len(one.histories) == one.answers.height == 7
    assert sample_of(toy_split.valid, 30, seed=1) is toy_split.valid
    users = set(one.histories.user_ids)
    assert set(one.answers["user_id"]) == users
    assert isinstance(one, Fold)


def test_weights_of_another_network_are_refused() -> None:
    state = trainable_state(torch.nn.Linear(2, 3))
    load_trainable(torch.nn.Linear(2, 3), state)
    with pytest.raises(TrainingError, match="of another network"):
        load_trainable(torch.nn.Linear(2, 4), state)
    with pytest.raises(TrainingError, match="of another network"):
        load_trainable(torch.nn.Linear(2, 3, bias=False), state)


def test_progress_speaks_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (True, False):
        bar = Progress("tiny", shown=shown)
        bar.start(10, done=4)
        bar.step(5, loss=1.0, tokens_per_second=10.0)
        bar.epoch({"epoch": 1, "loss": 1.5, "valid_ndcg@10": 0.25})
        bar.stop()
        labels = capsys.readouterr()
        assert labels.out == ""
        lines = labels.err.splitlines()
        assert lines == (
            ["tiny: continuing from step 4 of 10", "tiny: epoch 1  loss 1.500  valid NDCG@10 0.2500"]
            if shown
            else []
        )


def test_matrices_are_multiplied_as_the_recipe_says_and_as_before_afterwards(
    toy_split: Split, changed: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    met = []

    def ndcg(*_: object) -> float:
        met.append(torch.get_float32_matmul_precision())
        return 0.5

    monkeypatch.setattr(fit_network, "ndcg_on", ndcg)
    from_recipe(changed(epochs=1, float32_matmul_precision="medium")).fit(toy_split.train, valid=toy_split.valid)
    assert met == ["medium"]
    with matmul_precision("high"):
        from_recipe(changed(epochs=1)).fit(toy_split.train, valid=toy_split.valid)
    assert met == ["medium", "high"]  # who asks for nothing has what is set
    with pytest.raises(RuntimeError), matmul_precision("high"):
        raise RuntimeError
    assert torch.get_float32_matmul_precision() == "highest"
