"""Fit several recipes as one of several processes: ``python fit_jobs.py JOBS``, with RANK and WORLD_SIZE set.

JOBS is JSON: ``data``, a folder; ``jobs``, each with ``recipe`` (a file), ``out``, and perhaps ``resume`` and
``dies_at``, the batch at which the last process ends as if it were killed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import llmrec
from llmrec.errors import LlmrecError
from llmrec.training import callback, distributed, trainer


def die_at(batch: int) -> None:
    """Let the last process end before it computes the loss of its batch of this number, counted from 1."""
    plain, calls = trainer._JobTrainer.compute_loss, [0]

    def counted(self: trainer._JobTrainer, *args: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == batch and distributed.rank() == distributed.size() - 1:
            os._exit(9)
        return plain(self, *args, **named)

    trainer._JobTrainer.compute_loss = counted  # type: ignore[method-assign]


def main() -> int:
    """Fit each, one after the other."""
    todo = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    split = llmrec.Split.leave_last_out(llmrec.Dataset.load(todo["data"]))
    for job in todo["jobs"]:
        if "dies_at" in job:
            callback.SAVE_EVERY_SECONDS = 0.0
            die_at(job["dies_at"])
        try:
            recipe = llmrec.Recipe.load(job["recipe"])
            llmrec.fit(recipe, split.data, split, job["out"], resume=job.get("resume", False), progress=False)
        except LlmrecError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    distributed.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
