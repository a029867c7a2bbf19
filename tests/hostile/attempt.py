"""Load a changed run and ask it something, as the command line does, and say how it ended."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hostile.changes import Changed
from hostile.nasty import CANARY_VARIABLE, SECRET, SECRET_VARIABLE

Result = Literal["answered", "refused", "environment", "fault", "believed", "hung", "died", "code run", "secret"]
WELL: tuple[Result, ...] = ("answered", "refused", "environment")

VERBS = (
    ("recommend", "--history", "1,2,3", "-k", "5", "--json"),
    ("recommend", "--history", "4,5", "-k", "12"),
    ("similar", "--item", "3", "-k", "3"),
    ("recommend", "--history", "", "--json"),
)


@dataclass(frozen=True)
class Outcome:
    """How one changed run ended; ``output`` is all that was printed."""

    number: int
    changed: Changed
    result: Result
    output: str

    def __str__(self) -> str:
        last = " ".join(self.output.split())[-300:]
        return f"{self.number} {self.result}: {self.changed.run}, {self.changed.text}: {last}"


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Lay out what no run may touch: a secret beside it, one in the environment, and a file it must not make."""
    (folder / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
    os.environ[SECRET_VARIABLE], os.environ[CANARY_VARIABLE] = SECRET, str(folder / "canary")
    try:
        yield
    finally:
        del os.environ[SECRET_VARIABLE], os.environ[CANARY_VARIABLE]


def ask(run_folder: Path, number: int) -> tuple[int, str]:
    """Return the exit code of one command on a run, and what it printed."""
    from llmrec.cli.app import run

    verb, *options = VERBS[number % len(VERBS)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = run([verb, str(run_folder), *options])
    return code, printed.getvalue()


def judged(number: int, changed: Changed, code: int | None, output: str, folder: Path) -> Outcome:
    """Say what an exit code and an output mean; None: it took too long."""
    result: Result
    if (folder / "canary").exists():
        result = "code run"
    elif SECRET in output:
        result = "secret"
    elif code is None:
        result = "hung"
    elif "fault of llmrec" in output or "Traceback" in output or "panicked" in output:
        result = "fault"
    elif code == 0:
        result = "believed" if changed.must_refuse else "answered"
    elif code in {1, 2} and "error: " in output:
        result = "refused" if code == 2 else "environment"
    else:
        result = "died"
    return Outcome(number, changed, result, output)
