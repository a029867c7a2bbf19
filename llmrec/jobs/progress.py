"""Show how far a batch job is: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from llmrec.bars import LINE_EVERY_SECONDS, bar_console, fitting
from llmrec.jobs.user_parts import UserPart

log = logging.getLogger(__name__)


class PartProgress:
    """Users answered, users a second and time left. Parts of an earlier call count as done, not as speed."""

    def __init__(self, title: str, parts: Sequence[UserPart], left: Sequence[UserPart], *, shown: bool) -> None:
        self.title, self.shown, self.console = title, shown, bar_console()
        self.total = sum(part.n_users for part in parts)
        self.earlier = self.done = self.total - sum(part.n_users for part in left)
        self.began = self.said = time.monotonic()
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        if self.done:
            self._say(f"{self.title}: continuing after {self.done:,} of {self.total:,} users")
        if self.shown and self.console.is_terminal:
            speed = TextColumn("users  {task.fields[speed]:,.0f} users/s  left")
            name = TextColumn("{task.description}", markup=False)
            columns: list[ProgressColumn] = [name, BarColumn(), MofNCompleteColumn(), speed]
            columns += [TimeRemainingColumn(), TimeElapsedColumn()]
            self.bar = Progress(*fitting(columns, self.console), console=self.console)
            self.task = self.bar.add_task(self.title, total=self.total, completed=self.done, speed=0.0)
            self.bar.start()
        return self

    def follow(self, steps: Iterable[UserPart]) -> None:
        """Have every part written, and count each."""
        for part in steps:
            self._advance(part)

    def _advance(self, part: UserPart) -> None:
        self.done += part.n_users
        now = time.monotonic()
        speed = (self.done - self.earlier) / max(now - self.began, 1e-9)
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, speed=speed)
        elif now - self.said >= LINE_EVERY_SECONDS or self.done == self.total:
            self.said = now
            left = f"{(self.total - self.done) / speed / 60:.1f} min left"
            self._say(f"{self.title}: {self.done:,} of {self.total:,} users, {speed:,.0f} users/s, {left}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _say(self, line: str) -> None:
        if self.shown:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            log.info(line)
