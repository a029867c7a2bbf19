"""What a training job does at the end of a step and of an epoch: validate, log, save, stop."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState, TrainerControl, TrainerState

from llmrec.config import TrainConfig
from llmrec.errors import TrainingError
from llmrec.training.advice import diverged
from llmrec.training.checkpoints import append_row, best_file, save_trainable, seal
from llmrec.training.distributed import flags_of_first, follow_first, is_first, on_first
from llmrec.training.division import Division
from llmrec.training.job import TrainingJob
from llmrec.training.schedule import is_done, is_open_ended, most_steps, patience_is_over, validation_is_due

SAVE_EVERY_SECONDS = 60.0


class EpochCallback(TrainerCallback, ExportableState):
    """At the end of each epoch validates, logs, saves, and stops training that no longer improves."""

    def __init__(self, job: TrainingJob, settings: TrainConfig, division: Division) -> None:
        self.job, self.settings, self.division, self.network = job, settings, division, division.network
        self.losses: list[float] = []
        self.saved = time.monotonic()
        self.tokens, self.seconds, self.began = 0, 0.0, time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.saved = time.monotonic()
        if state.global_step:  # continue the sums of an epoch that was cut in two
            states = cast("dict[str, Any]", state.stateful_callbacks)
            sums = states[type(self).__name__]["attributes"]
            self.losses, self.tokens, self.seconds = sums["losses"], sums["tokens"], sums["seconds"]
        total = None if is_open_ended(self.settings) else state.max_steps
        self.job.progress.start(total, done=state.global_step)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint stores of this: the sums of the epoch so far."""
        sums = {"losses": self.losses, "tokens": self.tokens, "seconds": self.seconds}
        return {"args": {}, "attributes": sums}

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.seconds += time.monotonic() - self.began  # the optimizer's part, too
        plan, size = self.job.plan, self.settings.accumulation
        first, following = (state.global_step - 1) * size, state.global_step * size
        epoch = plan[first].epoch  # a step may take batches of two epochs: it ends the first of them
        long_unsaved = time.monotonic() - self.saved > SAVE_EVERY_SECONDS
        late, long_unsaved = flags_of_first(self._late(), long_unsaved)
        done = is_done(self.settings, plan, following) or late
        if self.job.average is not None:
            self.job.average.update(self.job.earlier_steps + state.global_step)
        due = validation_is_due(self.settings, self.job.log, state.global_step)
        ends = done or (due and plan.ends_within(first, following))
        control.should_save = ends or long_unsaved
        if control.should_save:
            self._check_weights(state.global_step)
        if ends:
            self._end_epoch(epoch, state, control)
            control.should_training_stop |= done
        self.saved = time.monotonic() if control.should_save else self.saved

    def note_batch(self, loss: float, tokens: int, step: int) -> None:
        """Add one batch to the sums of the epoch, and show it."""
        self.losses.append(loss)
        self.tokens += tokens
        seconds = self.seconds + time.monotonic() - self.began
        self.job.progress.step(step, loss=loss, tokens_per_second=self.tokens / max(seconds, 1e-9))

    def _check_weights(self, step: int) -> None:
        """Raise TrainingError before NaN or infinite weights reach a checkpoint."""
        if not self.division.is_finite():
            raise TrainingError(diverged(f"the weights are no numbers after step {step}", self.job.work_dir))

    def over(self) -> bool:
        """Whether the log says to stop: no better validation for long enough, out of steps, epochs or time."""
        return self._patience_over() or self._out_of_steps() or self._out_of_epochs() or self._late()

    def _out_of_steps(self) -> bool:
        most = most_steps(self.settings, self.job.plan, self.job.earlier_steps)
        return most is not None and bool(self.job.log) and self.job.log[-1]["step"] >= most

    def _out_of_epochs(self) -> bool:
        """Whether the log's last step ended the plan, which an open-ended training is not cut to."""
        settings, log = self.settings, self.job.log
        return bool(log) and is_done(settings, self.job.plan, log[-1]["step"] * settings.accumulation)

    def _late(self) -> bool:
        spent = self.seconds + sum(entry["seconds"] for entry in self.job.log)
        return self.settings.max_minutes is not None and spent / 60 >= self.settings.max_minutes

    def _end_epoch(self, epoch: int, state: TrainerState, control: TrainerControl) -> None:
        row = self._row(epoch, state.global_step)
        self.losses, self.tokens, self.seconds = [], 0, 0.0
        follow_first(self.network)
        self.job.log.append(row)
        if is_first():
            append_row(self.job.work_dir / "train_log.jsonl", row)
        self._keep_best(row)
        self.job.progress.epoch(row)
        control.should_training_stop = control.should_training_stop or self.over()

    def _row(self, epoch: int, step: int) -> dict[str, Any]:
        """Return the log's row of an epoch, validated; the first process's."""
        row: dict[str, Any] = {
            "step": step,
            "epoch": epoch + 1,
            "loss": round(sum(self.losses) / max(len(self.losses), 1), 5),
            "tokens": self.tokens,
            "seconds": round(self.seconds, 3),
        }
        if self.job.validate is not None:
            self.network.eval()
            with self._averaged(), self.division.undivided_items():
                # Blocks that are divided compute where all processes do, on the same users.
                columns = self.job.validate() if self.division.blocks else on_first(self.job.validate)
            row |= {column: round(value, 6) for column, value in columns.items()}
            self.network.train()
        return on_first(lambda: row)

    def _keep_best(self, row: dict[str, Any]) -> None:
        if row is self.job.best():
            with self._averaged():
                save_trainable(self.network, best_file(self.job.work_dir, row))

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.job.average is None else self.job.average.applied()

    def _patience_over(self) -> bool:
        if self.job.validate is None or not self.job.log:
            return False
        return patience_is_over(self.settings, self.job.log, self.job.best(), earlier_steps=self.job.earlier_steps)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not is_first():
            return
        seal(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        keep = {best_file(self.job.work_dir, self.job.best()).name} if self.job.log else set()
        for path in self.job.work_dir.glob("best-*.safetensors"):
            if path.name not in keep:
                path.unlink()
