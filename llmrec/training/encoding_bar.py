"""What is shown while a catalog is encoded, which may take longer than training, and when that is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from llmrec.bars import LINE_EVERY_SECONDS, bar_console, fitting
from llmrec.errors import EncodingTooLong
from llmrec.printable import printable

# So long texts are encoded before it is judged whether all of them take too long: a busy machine may pause.
ESTIMATED_AFTER_SECONDS = 20.0
# Where only a sample is encoded, it is what so many seconds are enough for.
SAMPLE_SECONDS = 1.0


class _BarSettings(NamedTuple):
    title: str
    shown: bool
    most_minutes: float | None


_SILENT = _BarSettings("", False, None)
_SETTINGS: ContextVar[_BarSettings] = ContextVar("encoding_shown", default=_SILENT)
_SAMPLED: ContextVar[list[float] | None] = ContextVar("encodings_sampled", default=None)


@contextmanager
def encoding_shown(title: str, *, shown: bool, most_minutes: float | None) -> Iterator[None]:
    """Show in the block how far catalogs are encoded.

    What would take more than ``most_minutes``, which is ``train.max_minutes``, is refused.
    """
    token = _SETTINGS.set(_BarSettings(printable(title), shown, most_minutes))
    try:
        yield
    finally:
        _SETTINGS.reset(token)


@contextmanager
def encodings_sampled() -> Iterator[list[float]]:
    """Encode only some texts of a catalog in the block, for a second; the others' vectors are zeros.

    Yields a list that gets the seconds that each catalog as a whole would take.
    """
    seconds = list[float]()
    token = _SAMPLED.set(seconds)
    try:
        yield seconds
    finally:
        _SAMPLED.reset(token)


def encoding_is_sampled() -> bool:
    """Whether only some texts of a catalog are to be encoded."""
    return _SAMPLED.get() is not None


def encoding_is_shown() -> bool:
    """Whether somebody waits for an encoding at a terminal."""
    return _SETTINGS.get().shown and bar_console().is_terminal


class EncodingBar:
    """Counts tokens of ``n_texts`` item texts: a bar on a terminal, a line now and then elsewhere, or nothing."""

    def __init__(self, n_texts: int, n_tokens: int) -> None:
        self.settings, self.n_texts, self.total, self.done = _SETTINGS.get(), n_texts, n_tokens, 0
        self.began = self.said = time.monotonic()
        # The end of the first batch, which is slower: memory is taken, and kernels are chosen.
        self.first: tuple[float, int] | None = None
        self.bar: Progress | None = None

    def __enter__(self) -> EncodingBar:
        if encoding_is_shown():
            name = TextColumn("{task.description}", markup=False)
            columns: list[ProgressColumn] = [name, BarColumn(), TaskProgressColumn()]
            console = bar_console()
            columns += [TimeRemainingColumn(), TimeElapsedColumn()]
            self.bar = Progress(*fitting(columns, console), console=console)
            self.task = self.bar.add_task(f"{self.settings.title}: {self.n_texts:,} item texts", total=self.total)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
        sampled = _SAMPLED.get()
        if sampled is not None and self.done:
            sampled.append((time.monotonic() - self.began) * self.total / self.done)

    def is_enough(self) -> bool:
        """Whether only a sample is wanted, and it is encoded."""
        return encoding_is_sampled() and time.monotonic() - self.began > SAMPLE_SECONDS

    def advance(self, n_tokens: int) -> None:
        """Count encoded tokens. Raises EncodingTooLong where all of them would take longer than training may."""
        self.done += n_tokens
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done)
        if self.first is None:
            self.first = now, self.done
            return
        since, before = self.first
        seconds = since - self.began + (now - since) * (self.total - before) / max(self.done - before, 1)
        most = self.settings.most_minutes
        if most is not None and now - self.began > ESTIMATED_AFTER_SECONDS and seconds > 60 * most:
            raise EncodingTooLong(
                f"{self.settings.title}: encoding {self.n_texts:,} item texts takes about {seconds / 60:.0f} "
                f"minutes, longer than train.max_minutes={most:g} lets training take: raise that, take a "
                "smaller base, fewer blocks of it (backbone.layers), or shorter lines (history.item_prompt=title)"
            )
        if self.bar is None and self.settings.shown and now - self.said >= LINE_EVERY_SECONDS:
            self.said = now
            left = (seconds - (now - self.began)) / 60
            line = f"{self.settings.title}: {self.done / self.total:.0%} of {self.n_texts:,} item texts encoded"
            bar_console().print(f"{line}, {left:.1f} min left", highlight=False, markup=False, soft_wrap=True)
