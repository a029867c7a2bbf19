"""Show the progress of training: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import logging
import time
from typing import Any

import psutil
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from llmrec.bars import LINE_EVERY_SECONDS, bar_console, fitting
from llmrec.printable import printable

log = logging.getLogger(__name__)
# What is said before it is spent: more than so long, and less memory left than this share.
LONG_MINUTES = 60
LEAST_FREE = 0.05


class Progress:
    """Loss, tokens per second and time left of one training run. ``shown=False`` stays silent.

    ``most_minutes``: when training stops at the latest. A training of hours is said to be one.
    """

    def __init__(self, title: str, *, shown: bool, most_minutes: float | None = None) -> None:
        self.title, self.shown, self.most_minutes = printable(title), shown, most_minutes
        self.warned = False
        self.console = bar_console()
        self.bar: Bar | None = None
        self.total: int | None = None
        self.began, self.first, self.said = 0.0, 0, 0.0

    def start(self, total: int | None, *, done: int = 0) -> None:
        """Begin with ``done`` of ``total`` steps done already (some when resuming). None: not known."""
        self.total, self.first, self.began = total, done, time.monotonic()
        self.said = self.began
        if done:
            self.say(f"{self.title}: continuing from step {done}{f' of {total}' if total else ''}")
        if self.shown and self.console.is_terminal:
            numbers = TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} tokens/s  left")
            name = TextColumn("{task.description}", markup=False)
            columns: list[ProgressColumn] = [name, BarColumn(), MofNCompleteColumn(), numbers]
            columns += [TimeRemainingColumn(), TimeElapsedColumn()]
            self.bar = Bar(*fitting(columns, self.console), console=self.console)
            self.task = self.bar.add_task(self.title, total=total, completed=done, loss=0.0, speed=0.0)
            self.bar.start()

    def step(self, step: int, *, loss: float, tokens_per_second: float) -> None:
        """One batch is done."""
        self._warn_of_hours(step)
        if self.bar is not None:
            self.bar.update(self.task, completed=step, loss=loss, speed=tokens_per_second)
            return
        now = time.monotonic()
        if now - self.said >= LINE_EVERY_SECONDS:
            self.said = now
            of_all, left = "", ""
            if self.total is not None:
                minutes = (now - self.began) / max(step - self.first, 1) * (self.total - step) / 60
                of_all, left = f"/{self.total}", f"  {minutes:.1f} min left"
            speed = f"{tokens_per_second:,.0f} tokens/s"
            self.say(f"{self.title}: step {step}{of_all}  loss {loss:.3f}  {speed}{left}")

    def _warn_of_hours(self, step: int) -> None:
        """Say once, from the steps of the first seconds, that training takes hours or more memory than is free."""
        spent = time.monotonic() - self.began
        if self.warned or spent < LINE_EVERY_SECONDS:
            return
        self.warned = True
        if self.total is not None:
            minutes = spent / max(step - self.first, 1) * (self.total - step) / 60
            minutes = min(minutes, self.most_minutes or minutes)
            if minutes > LONG_MINUTES:
                self.say(
                    f"{self.title}: about {minutes / 60:.1f} hours to go; train.max_minutes bounds that, Ctrl-C "
                    "stops, --resume goes on, and llmrec fit ... --dry-run says what a recipe takes"
                )
        memory = psutil.virtual_memory()
        if memory.available < LEAST_FREE * memory.total:
            self.say(
                f"{self.title}: only {memory.available / 2**30:.1f} GiB of memory are free; where they run out, "
                "halve train.batch_tokens and double train.accumulation"
            )

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done and validated."""
        names = {"valid_ndcg@10": "NDCG@10", "valid_responses": "responses"}
        metrics = [f"{name} {row[column]:.4f}" for column, name in names.items() if column in row]
        validated = f"  valid {', '.join(metrics)}" if metrics else ""
        self.say(f"{self.title}: epoch {row['epoch']}  loss {row['loss']:.3f}{validated}")

    def stop(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def say(self, line: str) -> None:
        """Print a line above the bar, or log it where nothing is shown."""
        if self.shown:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            log.info(line)
