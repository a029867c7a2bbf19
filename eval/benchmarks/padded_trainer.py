"""The plain way to fine-tune an LLM on histories: transformers' Trainer, peft, batches padded to their longest."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DataCollatorForLanguageModeling, Trainer, TrainerCallback, TrainingArguments

from llmrec.config import AdapterConfig
from llmrec.llm.backbone import add_adapter
from llmrec.llm.weights import load_causal_lm
from llmrec.runtime import Dtype, device_name


class Clock(TrainerCallback):
    """Adds up the seconds and tokens of steps, from first batch to optimizer's end; stops when the time is up.

    ``warm_up``: so many first steps do not count.
    """

    def __init__(self, *, minutes: float, warm_up: int) -> None:
        self.minutes, self.warm_up = minutes, warm_up
        self.steps, self.seconds, self.tokens, self.read = 0, 0.0, 0, deque[int]()

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Begin."""
        self.began = _now()

    def on_step_end(self, args: object, state: object, control: Any, **_: object) -> None:
        """Add, and say when it is over."""
        self.steps += 1
        tokens = self.read.popleft()  # a loader reads ahead of the step
        if self.steps > self.warm_up:
            self.seconds += _now() - self.began
            self.tokens += tokens
        control.should_training_stop |= self.seconds > 60 * self.minutes


@dataclass(frozen=True)
class CountingCollator:
    """Pads by another collator, and tells the clock how many tokens a batch holds besides padding."""

    collate: Callable[[list[Any]], Any]
    clock: Clock

    def __call__(self, examples: list[dict[str, list[int]]]) -> Any:
        """Count and pad."""
        self.clock.read.append(sum(len(one["input_ids"]) for one in examples))
        return self.collate(examples)


def train_padded(
    base: str,
    rows: list[list[int]],
    *,
    dtype: Dtype,
    batch: int,
    minutes: float = float("inf"),
    epochs: int = 1000,
    warm_up: int = 0,
) -> Clock:
    """Train an adapter on tokenized histories, ``batch`` a step, for minutes or epochs; return its clock."""
    model, tokenizer = load_causal_lm(base, dtype=dtype)
    model.requires_grad_(False)
    clock = Clock(minutes=minutes, warm_up=warm_up)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            model=add_adapter(model, AdapterConfig()),
            data_collator=CountingCollator(DataCollatorForLanguageModeling(tokenizer, mlm=False), clock),
            callbacks=[clock],
            train_dataset=[{"input_ids": row} for row in rows],
            args=TrainingArguments(
                folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=batch,
                bf16=dtype == "bfloat16",
                use_cpu=device_name() == "cpu",
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
        ).train()
    return clock


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
