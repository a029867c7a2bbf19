"""Fit several recipes as one of several processes: ``python fit_jobs.py JOBS``, with RANK and WORLD_SIZE set.

JOBS is JSON: ``data``, a folder; ``jobs``, each with ``recipe`` (a file), ``out``, and perhaps ``resume``,
``fsdp`` (as launched for it), ``stops_at``, the batch at which all processes stop, and ``dies_at``, at which the
last one ends as if it were killed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llmrec
from llmrec.errors import LlmrecError
from llmrec.training import callback, distributed, fsdp, trainer

PLAIN, EVERY = trainer._JobTrainer.compute_loss, callback.SAVE_EVERY_SECONDS


class Stop(LlmrecError):
    """Ends a training that is to be resumed."""


def end_at(batch: int, end: Callable[[], None]) -> None:
    """Call ``end`` before the loss of the batch of this number, counted from 1; 0: never."""
    calls = [0]

    def counted(self: trainer._JobTrainer, *args: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == batch:
            end()
        return PLAIN(self, *args, **named)

    trainer._JobTrainer.compute_loss = counted  # type: ignore[method-assign]


def stop() -> None:
    """Stop this training."""
    raise Stop("stopped")


def die() -> None:
    """End the last process as if it were killed."""
    if distributed.rank() == distributed.size() - 1:
        os._exit(9)


def main() -> int:
    """Fit each, one after the other."""
    todo = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    split = llmrec.Split.leave_last_out(llmrec.Dataset.load(todo["data"]))
    for job in todo["jobs"]:
        end_at(job.get("stops_at", job.get("dies_at", 0)), stop if "stops_at" in job else die)
        callback.SAVE_EVERY_SECONDS = 0.0 if {"stops_at", "dies_at"} & set(job) else EVERY
        os.environ[fsdp.LAUNCHED] = str(job.get("fsdp", False)).lower()
        fsdp._launched.clear()
        try:
            recipe = llmrec.Recipe.load(job["recipe"])
            llmrec.fit(recipe, split.data, split, job["out"], resume=job.get("resume", False), progress=False)
        except Stop:
            continue
        except LlmrecError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    distributed.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
