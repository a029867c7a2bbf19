"""What training does besides optimizing: validate, log, keep the best, stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

from llmrec import Recipe, Split
from llmrec.config import TrainConfig
from llmrec.errors import RecipeError, TrainingError
from llmrec.models import from_recipe
from llmrec.models.fit_network import ndcg_on
from llmrec.runtime import resolve_dtype
from llmrec.training import trainer
from llmrec.training.checkpoints import best_row
from llmrec.training.job import TrainingJob
from llmrec.training.plan import Plan
from llmrec.training.progress import Progress


def test_the_best_weights_are_restored(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    model = from_recipe(gru_with(epochs=6)).fit(toy_split.train, valid=toy_split.valid)
    assert [row["epoch"] for row in model.train_log] == [1, 2, 3, 4, 5, 6]
    best = max(row["valid_ndcg@10"] for row in model.train_log)
    assert ndcg_on(model, toy_split.valid) == pytest.approx(best, abs=1e-6)
    assert model.metadata["cost"]["tokens_per_second"] > 0
    # Each history of six is read once an epoch: five of its items (the last one has no target) and the start.
    assert [row["tokens"] for row in model.train_log] == [30 * 6] * 6


def test_without_validation_the_newest_weights_stay(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    model = from_recipe(gru_with(epochs=3, patience=1)).fit(toy_split.train)
    assert len(model.train_log) == 3
    assert "valid_ndcg@10" not in model.train_log[0]


@pytest.mark.parametrize("accumulation", [2, 3, 100])
def test_epochs_end_where_accumulated_steps_allow(
    toy_split: Split, gru_with: Callable[..., Recipe], accumulation: int
) -> None:
    model = from_recipe(gru_with(epochs=5, accumulation=accumulation)).fit(toy_split.train, valid=toy_split.valid)
    epochs = [row["epoch"] for row in model.train_log]
    # A step that takes batches of three epochs ends the first of them for all.
    assert epochs == {2: [1, 2, 3, 4, 5], 3: [1, 2, 4, 5], 100: [1]}[accumulation]
    assert sum(row["tokens"] for row in model.train_log) == 5 * 30 * 6


def test_accumulated_batches_learn_like_one(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    """Batches of equal size: two halves, accumulated, are the whole."""
    one = gru_with(epochs=2, batch_tokens=60, accumulation=1, schedule="constant")
    still = one.model_dump() | {"sequence": one.sequence.model_dump() | {"dropout": 0.0}}
    halves = still | {"train": still["train"] | {"batch_tokens": 30, "accumulation": 2}}
    losses = [from_recipe(Recipe.of(r)).fit(toy_split.train).train_log[0]["loss"] for r in (still, halves)]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_the_optimizer_s_time_counts(
    toy_split: Split, gru_with: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = torch.optim.AdamW.step

    def slow(self: torch.optim.AdamW, closure: None = None) -> object:
        time.sleep(0.5)
        return plain(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", slow)
    model = from_recipe(gru_with(epochs=1, batch_tokens=10_000)).fit(toy_split.train)
    assert model.train_log[0]["seconds"] >= 0.5


@pytest.mark.parametrize("kind", ["allocator", "python", "card"])
def test_too_little_memory_names_the_fields_to_change(
    toy_split: Split, gru_with: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    plain = trainer._JobTrainer.compute_loss

    def starved(self: trainer._JobTrainer, *given: Any, **named: Any) -> torch.Tensor:
        if self.state.global_step < 3:  # in the middle
            return plain(self, *given, **named)
        if kind == "python":
            raise MemoryError
        if kind == "card":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return torch.empty(10**15)  # more than any machine has: the allocator's message

    monkeypatch.setattr(trainer._JobTrainer, "compute_loss", starved)
    with pytest.raises(TrainingError, match=r"train\.batch_tokens=77: .*accumulation, .*gradient_checkpointing"):
        from_recipe(gru_with(batch_tokens=77)).fit(toy_split.train)


def test_a_card_without_bfloat16_names_the_field_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    with pytest.raises(RecipeError, match=r"backbone\.dtype=bfloat16: Tesla T4 has no bfloat16; set .*=float32"):
        resolve_dtype("bfloat16")
    assert resolve_dtype("auto") == "float32"


def test_several_gpus_do_not_change_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain: Callable[[TrainingArguments], None] = TrainingArguments.__post_init__

    def two(self: TrainingArguments) -> None:
        plain(self)
        self._n_gpu = 2

    monkeypatch.setattr(TrainingArguments, "__post_init__", two)
    job = TrainingJob(Plan(1, lambda _: []), lambda _: {}, None, tmp_path, Progress("tiny", shown=False))
    made = trainer._arguments(job, TrainConfig(), 1, seed=0, bf16=False)
    assert made.n_gpu == made.train_batch_size == 1


def test_patience_and_the_clock_stop_training(toy_split: Split, gru_with: Callable[..., Recipe]) -> None:
    timed = from_recipe(gru_with(epochs=20, max_minutes=1e-6)).fit(toy_split.train, valid=toy_split.valid)
    assert len(timed.train_log) == 1
    patient = from_recipe(gru_with(epochs=60, patience=2)).fit(toy_split.train, valid=toy_split.valid)
    best = best_row(patient.train_log)
    assert len(patient.train_log) < 60
    assert patient.train_log[-1]["epoch"] == best["epoch"] + 2
