"""Train a network on a plan of batches with transformers' Trainer; resume, validate, restore the best epoch."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from llmrec.config import TrainConfig
from llmrec.errors import TrainingError
from llmrec.runtime import device_name
from llmrec.training import distributed
from llmrec.training.advice import disk_advice, diverged, memory_advice
from llmrec.training.callback import EpochCallback
from llmrec.training.checkpoints import (
    RANDOM_STATES,
    WEIGHTS,
    NamedTensors,
    best_file,
    load_trainable,
    read_trainable,
    resumed,
    save_tensors,
    save_trainable,
)
from llmrec.training.division import Division, Groups
from llmrec.training.forecast import announce
from llmrec.training.job import TrainingJob
from llmrec.training.schedule import AVERAGE_SHARE, is_open_ended, n_batches, n_steps, trainer_arguments
from llmrec.training.shares import is_spare, share_of, without_targets
from llmrec.training.weight_average import WeightAverage


class _Batches(torch.utils.data.Dataset[NamedTensors]):
    def __init__(self, job: TrainingJob, most: int) -> None:
        self.job, self.most = job, most

    def __len__(self) -> int:
        return self.most * distributed.size()

    def __getitem__(self, n: int) -> NamedTensors:
        # Of several processes, accelerate gives each every size-th one: its share of each batch.
        n, rank = divmod(n, distributed.size())
        # A loader reads one ahead, past the end of a plan that is only bounded, too: that batch is not trained on.
        batch = self.job.plan[0 if self.job.plan.ends_before(n) else n]
        share = share_of(batch, rank, distributed.size())
        tensors = self.job.collate(share)
        return without_targets(tensors) if is_spare(share, rank) else tensors


class _JobTrainer(Trainer):
    """Trainer that saves only trained weights, keeps the plan's order and stops on a NaN loss."""

    def __init__(self, division: Division, groups: Groups, **options: Any) -> None:
        super().__init__(**options)
        self.division, self.groups = division, groups
        division.apply(groups)
        self.average: WeightAverage | None = None
        self.batch_in_step = 0
        self.batch_loss, self.batch_tokens = 0.0, 0

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        return torch.utils.data.SequentialSampler(cast("_Batches", self.train_dataset))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            together = not self.division.is_divided  # divided and whole ones cannot be updated so
            self.optimizer = torch.optim.AdamW(self.groups, betas=(0.9, 0.98), foreach=together)
        return self.optimizer

    def forget_optimizer(self) -> None:
        """Free what the optimizer holds: items that are made whole need the room."""
        if self.optimizer is not None:
            self.optimizer.state.clear()

    def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*given, **named)
        if self.accelerator.sync_gradients:
            self.division.join_gradients()
        return loss

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
        with distributed.global_batch(self.args.seed, self.state.global_step, self.batch_in_step):
            loss: torch.Tensor = model(**inputs)
        self.batch_in_step = (self.batch_in_step + 1) % self.args.gradient_accumulation_steps
        self.batch_loss, tokens = distributed.sums(loss.detach(), inputs["n_tokens"])
        self.batch_tokens = int(tokens)
        if not math.isfinite(self.batch_loss):
            where = f"the loss became {self.batch_loss} at step {self.state.global_step + 1}"
            raise TrainingError(diverged(where, Path(str(self.args.output_dir))))
        # The mean over processes is taken of gradients, and the batch's loss is the sum of theirs.
        return loss if distributed.size() == 1 else loss * distributed.size()

    def _save_rng_state(self, output_dir: str) -> None:
        if distributed.is_first():  # those of the others follow from it
            save_tensors(distributed.random_states(), Path(output_dir) / RANDOM_STATES)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            distributed.set_random_states(read_trainable(Path(checkpoint) / RANDOM_STATES))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        self._save(output_dir)  # on every process: what is divided is gathered

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or str(self.args.output_dir))
        if distributed.is_first():
            folder.mkdir(parents=True, exist_ok=True)
        save_trainable(self.model, folder / WEIGHTS)
        if self.average is not None:
            self.average.save(folder)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.division.is_divided:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        assert self.optimizer is not None and self.lr_scheduler is not None
        state = self.division.optimizer_state(self.optimizer)
        if distributed.is_first():
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not self.division.is_divided:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        assert self.optimizer is not None and self.lr_scheduler is not None
        # Mapped: a process reads no more of it than its rows.
        read = partial(torch.load, map_location="cpu", weights_only=True, mmap=True)
        self.division.load_optimizer_state(self.optimizer, read(Path(checkpoint) / OPTIMIZER_NAME))
        self.lr_scheduler.load_state_dict(read(Path(checkpoint) / SCHEDULER_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_trainable(self.model, read_trainable(Path(resume_from_checkpoint) / WEIGHTS))
        if self.average is not None:
            self.average.load(Path(resume_from_checkpoint))


def train(
    network: torch.nn.Module,
    job: TrainingJob,
    *,
    settings: TrainConfig,
    groups: Groups,
    seed: int,
    bf16: bool = False,
) -> dict[str, Any]:
    """Train ``network`` in place and leave it with its best validated weights. Returns what it cost.

    The network's forward takes the tensors of ``job.collate`` and returns the loss. If
    ``job.work_dir`` holds a checkpoint, training continues from it. Raises TrainingError on a NaN loss
    or exhausted memory, naming the recipe field to change, and EnvironmentFault on a full disk.
    """
    steps = n_steps(settings, job.plan)
    checkpoint, job.log[:] = distributed.on_first(lambda: resumed(job.work_dir))
    earlier = sum(row["seconds"] for row in job.log)
    division = Division.of(network, shard_items=settings.shard_items)
    callback = EpochCallback(job, settings, division)
    trainer = _JobTrainer(
        division,
        groups,
        model=network,
        train_dataset=_Batches(job, n_batches(settings, job.plan)),
        args=_arguments(job, settings, steps, seed=seed, bf16=bf16),
        data_collator=lambda one: one[0],
        callbacks=[callback],
    )
    trainer.average = job.average = WeightAverage(network, AVERAGE_SHARE) if is_open_ended(settings) else None
    _watch_batches(trainer, callback)
    for name in ("PrinterCallback", "ProgressCallback"):
        _drop_callback(trainer, name)
    network.train()
    try:
        if not callback.over():  # else it was stopped early, and killed before its run was written
            with disk_advice(job.work_dir), memory_advice(settings):
                announce(network, job, settings, is_new=checkpoint is None)
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        job.progress.stop()
    trainer.forget_optimizer()
    distributed.wait()  # until the first has written them
    load_trainable(network, read_trainable(best_file(job.work_dir, job.best())))
    division.unite_items()
    distributed.wait()  # until all have read it, nobody removes it
    network.eval()
    seconds, tokens = (sum(row[column] for row in job.log) for column in ("seconds", "tokens"))
    speed = {"tokens_per_second": round(tokens / max(seconds, 1e-9), 1)}
    return {"earlier_seconds": earlier, **speed, **division.recorded()}


def _arguments(job: TrainingJob, settings: TrainConfig, steps: int, *, seed: int, bf16: bool) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(job.work_dir),
        max_steps=steps,
        per_device_train_batch_size=1,
        seed=seed,
        gradient_accumulation_steps=settings.accumulation,
        **trainer_arguments(settings, steps),
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
        ddp_find_unused_parameters=True,  # a share may hold no target, no repeated item, no soft token
        ddp_broadcast_buffers=False,  # they are equal; encodings of a catalog are large
        dataloader_pin_memory=device_name() == "cuda",
    )
    # With several GPUs Trainer would take a batch for each: the plan is for one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _watch_batches(trainer: _JobTrainer, callback: EpochCallback) -> None:
    """Report each batch's loss and number of positions, summed over processes, to the callback."""
    plain = trainer.training_step

    def watched(model: Any, inputs: Any, *rest: Any, **named: Any) -> torch.Tensor:
        loss = plain(model, inputs, *rest, **named)
        callback.note_batch(trainer.batch_loss, trainer.batch_tokens, trainer.state.global_step + 1)
        return loss

    trainer.training_step = watched  # type: ignore[method-assign]


def _drop_callback(trainer: Trainer, name: str) -> None:
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == name:
            trainer.remove_callback(callback)
