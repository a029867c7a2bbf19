"""What starts a peer: its data as Parquet, and its script in an environment of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from llmrec import Split

FOLDER = Path(__file__).resolve().parent


def interpreters(words: Iterable[str]) -> dict[str, str]:
    """Read NAME=INTERPRETER; a path is one from here, whatever folder the peer will run in."""
    named = (word.split("=", 1) for word in words)
    return {name: str(Path(shutil.which(path) or path).absolute()) for name, path in named}


def command(script: str, python: str | None) -> list[str]:
    """Return what starts a script of this folder: the interpreter, else uv, which reads the script's header."""
    return [*([python] if python else [shutil.which("uv") or "uv", "run"]), str(FOLDER / script)]


def write_split(split: Split, folder: Path) -> None:
    """Write what peers read: train.parquet, and histories.parquet of the users whose next item is the target.

    They cannot read an event without being trained on it: train.parquet has the positive targets.
    """
    split.train.positive_events.write_parquet(folder / "train.parquet")
    histories = split.test.histories
    users = pl.Series(np.repeat(np.array(histories.user_ids), histories.lengths()))
    histories.events.with_columns(user_id=users).write_parquet(folder / "histories.parquet")
