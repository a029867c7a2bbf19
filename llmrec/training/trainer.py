"""Train a network on a plan of batches with transformers' Trainer; resume, validate, keep the best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState, TrainerControl, TrainerState

from llmrec.config import TrainConfig
from llmrec.errors import EnvironmentFault, LlmrecError, TrainingError
from llmrec.resources.cache import no_space
from llmrec.runtime import device_name
from llmrec.training.batching import Batch
from llmrec.training.checkpoints import (
    NEXT_ITEM,
    WEIGHTS,
    NamedTensors,
    append_row,
    best_file,
    best_row,
    last_checkpoint,
    load_trainable,
    restore_log,
    trainable_state,
)
from llmrec.training.memory import memory_advice
from llmrec.training.progress import Progress

SAVE_EVERY_SECONDS = 60.0


@dataclass
class Course:
    """What one training run does besides optimizing: the plan, how to validate, where to keep things.

    ``validate`` returns columns for the log; the sum of those named in ``early_stopping_metric`` says which epoch is best.
    """

    batches: list[Batch]
    collate: Callable[[Batch], NamedTensors]
    validate: Callable[[], dict[str, float]] | None
    work_dir: Path
    progress: Progress
    early_stopping_metric: tuple[str, ...] = NEXT_ITEM
    log: list[dict[str, Any]] = field(default_factory=list)

    def best(self) -> dict[str, Any]:
        """The log's row of the best epoch so far."""
        return best_row(self.log, self.early_stopping_metric)


class _Batches(torch.utils.data.Dataset[NamedTensors]):
    def __init__(self, course: Course) -> None:
        self.course = course

    def __len__(self) -> int:
        return len(self.course.batches)

    def __getitem__(self, place: int) -> NamedTensors:
        return self.course.collate(self.course.batches[place])


class _CourseTrainer(Trainer):
    """Trainer that saves only what is trained, keeps the plan's order and stops on a loss that is no number."""

    def __init__(self, *, groups: list[dict[str, Any]], **options: Any) -> None:
        super().__init__(**options)
        self.groups = groups

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        return torch.utils.data.SequentialSampler(cast("_Batches", self.train_dataset))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self.groups, betas=(0.9, 0.98), foreach=True)
        return self.optimizer

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
        loss: torch.Tensor = model(**inputs)
        if not torch.isfinite(loss):
            where = f"the loss became {loss.item()} at step {self.state.global_step + 1}"
            raise TrainingError(_diverged(where, Path(str(self.args.output_dir))))
        return loss

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trainable_state(self.model), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_trainable(self.model, load_file(Path(resume_from_checkpoint) / WEIGHTS))


class _Course(TrainerCallback, ExportableState):
    """Validates at the end of each epoch of the plan, logs, saves, and stops when it stops helping."""

    def __init__(self, course: Course, settings: TrainConfig, network: torch.nn.Module) -> None:
        self.course, self.settings, self.network = course, settings, network
        self.losses: list[float] = []
        self.saved = time.monotonic()
        self.tokens, self.seconds, self.began = 0, 0.0, time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.saved = time.monotonic()
        if state.global_step:  # continue the sums of an epoch that was cut in two
            kept = cast("dict[str, Any]", state.stateful_callbacks)
            sums = kept[type(self).__name__]["attributes"]
            self.losses, self.tokens, self.seconds = sums["losses"], sums["tokens"], sums["seconds"]
        self.course.progress.start(state.max_steps, done=state.global_step)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of this: the sums of the epoch so far."""
        sums = {"losses": self.losses, "tokens": self.tokens, "seconds": self.seconds}
        return {"args": {}, "attributes": sums}

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.seconds += time.monotonic() - self.began  # the optimizer's part, too
        batches, size = self.course.batches, self.settings.accumulation
        first, after = (state.global_step - 1) * size, state.global_step * size
        epoch = batches[first].epoch  # a step may take batches of two epochs: it ends the first of them
        ends = after >= len(batches) or batches[after].epoch != epoch or self._late()
        control.should_save = ends or time.monotonic() - self.saved > SAVE_EVERY_SECONDS
        if control.should_save:
            self._check_weights(state.global_step)
        if ends:
            self._end_epoch(epoch, state, control)
        self.saved = time.monotonic() if control.should_save else self.saved

    def saw(self, loss: float, tokens: int, step: int) -> None:
        """Take note of one batch."""
        self.losses.append(loss)
        self.tokens += tokens
        seconds = self.seconds + time.monotonic() - self.began
        self.course.progress.step(step, loss=loss, tokens_per_second=self.tokens / max(seconds, 1e-9))

    def _check_weights(self, step: int) -> None:
        """Raise TrainingError before weights that are no numbers reach a checkpoint."""
        if not all(bool(torch.isfinite(v).all()) for v in self.network.parameters() if v.requires_grad):
            raise TrainingError(_diverged(f"the weights are no numbers after step {step}", self.course.work_dir))

    def over(self) -> bool:
        """Whether the log says to stop: no better validation for long enough, or out of time."""
        return self._patience_over() or self._late()

    def _late(self) -> bool:
        spent = self.seconds + sum(entry["seconds"] for entry in self.course.log)
        return self.settings.max_minutes is not None and spent / 60 >= self.settings.max_minutes

    def _end_epoch(self, epoch: int, state: TrainerState, control: TrainerControl) -> None:
        row: dict[str, Any] = {
            "step": state.global_step,
            "epoch": epoch + 1,
            "loss": round(sum(self.losses) / max(len(self.losses), 1), 5),
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
        }
        self.losses, self.tokens, self.seconds = [], 0, 0.0
        if self.course.validate is not None:
            self.network.eval()
            row |= {column: round(value, 6) for column, value in self.course.validate().items()}
            self.network.train()
        self.course.log.append(row)
        append_row(self.course.work_dir / "train_log.jsonl", row)
        self._keep_best(row)
        self.course.progress.epoch(row)
        control.should_training_stop = control.should_training_stop or self.over()

    def _keep_best(self, row: dict[str, Any]) -> None:
        if row is self.course.best():
            save_file(trainable_state(self.network), best_file(self.course.work_dir, row))

    def _patience_over(self) -> bool:
        if self.course.validate is None or not self.course.log:
            return False
        best = self.course.best()
        later = [row for row in self.course.log if row["step"] > best["step"]]
        return len(later) >= self.settings.patience

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        keep = {best_file(self.course.work_dir, self.course.best()).name} if self.course.log else set()
        for path in self.course.work_dir.glob("best-*.safetensors"):
            if path.name not in keep:
                path.unlink()


def train(
    network: torch.nn.Module,
    course: Course,
    *,
    settings: TrainConfig,
    groups: list[dict[str, Any]],
    seed: int,
    bf16: bool = False,
) -> dict[str, Any]:
    """Train ``network`` in place and leave it with its best validated weights. Returns what it cost.

    The network's forward takes the tensors of ``course.collate`` and returns the loss. If
    ``course.work_dir`` holds a checkpoint, training continues from it. Raises TrainingError on a NaN loss
    or exhausted memory, naming the recipe field to change, and EnvironmentFault on a full disk.
    """
    steps = math.ceil(len(course.batches) / settings.accumulation)
    checkpoint = last_checkpoint(course.work_dir)
    done = int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0
    course.log[:] = restore_log(course.work_dir, done)
    earlier = sum(row["seconds"] for row in course.log)
    watcher = _Course(course, settings, network)
    trainer = _CourseTrainer(
        groups=groups,
        model=network,
        train_dataset=_Batches(course),
        args=_arguments(course, settings, steps, seed=seed, bf16=bf16),
        data_collator=lambda one: one[0],
        callbacks=[watcher],
    )
    _watch_batches(trainer, watcher)
    for callback in ("PrinterCallback", "ProgressCallback"):
        _drop_callback(trainer, callback)
    network.train()
    try:
        if not watcher.over():  # else it was stopped early, and killed before its run was written
            with memory_advice(settings):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except LlmrecError:
        raise
    except Exception as error:
        if no_space(error, course.work_dir):
            way = "free some and pass --resume" if last_checkpoint(course.work_dir) else "free some"
            told = f"no space left for checkpoints in {course.work_dir}: {way}"
            raise EnvironmentFault(told) from error
        raise
    finally:
        course.progress.stop()
    load_trainable(network, load_file(best_file(course.work_dir, course.best())))
    network.eval()
    seconds = sum(row["seconds"] for row in course.log)
    tokens = sum(row["tokens"] for row in course.log)
    return {"earlier_seconds": earlier, "tokens_per_second": round(tokens / max(seconds, 1e-9), 1)}


def _arguments(course: Course, settings: TrainConfig, steps: int, *, seed: int, bf16: bool) -> TrainingArguments:
    schedule = "constant_with_warmup" if settings.schedule == "constant" else settings.schedule
    arguments = TrainingArguments(
        output_dir=str(course.work_dir),
        max_steps=steps,
        per_device_train_batch_size=1,
        seed=seed,
        gradient_accumulation_steps=settings.accumulation,
        lr_scheduler_type=schedule,
        warmup_steps=int(settings.warmup * steps),
        max_grad_norm=settings.max_grad_norm,
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        bf16=bf16,
        use_cpu=device_name() == "cpu",
        dataloader_pin_memory=device_name() == "cuda",
    )
    # With several GPUs in sight Trainer would take a batch for each: the plan is for one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _watch_batches(trainer: _CourseTrainer, watcher: _Course) -> None:
    """Tell the watcher each batch's loss and positions."""
    plain = trainer.training_step

    def watched(model: Any, inputs: Any, *rest: Any, **named: Any) -> torch.Tensor:
        loss = plain(model, inputs, *rest, **named)
        tokens = int(inputs["n_tokens"])
        value = float(loss) * trainer.current_gradient_accumulation_steps
        watcher.saw(value, tokens, trainer.state.global_step + 1)
        return loss

    trainer.training_step = watched  # type: ignore[method-assign]


def _drop_callback(trainer: Trainer, name: str) -> None:
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == name:
            trainer.remove_callback(callback)


def _diverged(what: str, work_dir: Path) -> str:
    kept = last_checkpoint(work_dir)
    place = f"the last good checkpoint is {kept}" if kept else "there is no checkpoint yet"
    return f"{what}; {place}; lower train.learning_rate or train.head_learning_rate"
