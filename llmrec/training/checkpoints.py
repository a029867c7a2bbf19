"""A training run on disk: checkpoints, the best weights, the log."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from llmrec.errors import TrainingError
from llmrec.resources.cache import sha256_of
from llmrec.training.distributed import is_first
from llmrec.training.sharding import divided_like, whole, whole_on_first

log = logging.getLogger(__name__)

NamedTensors = dict[str, torch.Tensor]
WEIGHTS = "trainable.safetensors"
RANDOM_STATES = "random.safetensors"
SEAL = "whole.json"  # in a checkpoint: its files' sizes and hashes, written last
NEXT_ITEM = ("valid_ndcg@10",)  # the column of a log that says which epoch is best


def changing(network: torch.nn.Module | None) -> NamedTensors:
    """Return what training changes: the trained parameters, and the buffers named in ``checkpoint_buffers``."""
    assert network is not None
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    buffers = getattr(network, "checkpoint_buffers", ())
    return trained | {name: value for name, value in network.named_buffers() if name in buffers}


def trainable_state(network: torch.nn.Module | None) -> NamedTensors:
    """Return what training changes, on the CPU of every process, by name; each must call it."""
    return {name: whole(value).cpu().contiguous() for name, value in changing(network).items()}


def save_trainable(network: torch.nn.Module | None, path: Path) -> None:
    """Write what training changes, whole or not at all. Every process must call it, the first writes."""
    save_divided(changing(network), path)


def save_divided(state: NamedTensors, path: Path) -> None:
    """Write tensors by name of which some may be divided over processes; see ``save_trainable``."""
    gathered = {name: whole_on_first(value) for name, value in state.items()}
    if is_first():
        save_tensors(gathered, path)


def save_tensors(state: NamedTensors, path: Path) -> None:
    """Write tensors by name, whole or not at all."""
    unfinished = path.with_suffix(".new")
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, unfinished)
    unfinished.replace(path)


def read_trainable(path: Path) -> NamedTensors:
    """Read what ``save_trainable`` wrote. Raises TrainingError for a damaged file."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} is damaged ({error}); remove {path.parent.name} and train again") from error


def load_trainable(network: torch.nn.Module | None, state: NamedTensors) -> None:
    """Put back what ``trainable_state`` took. Raises TrainingError if the networks differ."""
    present = changing(network)
    if present.keys() != state.keys() or any(present[name].shape != state[name].shape for name in present):
        raise TrainingError("the checkpoint is of another network; remove the work directory and train again")
    with torch.no_grad():
        for name, value in present.items():
            value.copy_(divided_like(value, state[name]))


def seal(checkpoint: Path) -> None:
    """Note the size and hash of every file of a checkpoint that has just been written."""
    files = {path.name: [path.stat().st_size, sha256_of(path)] for path in sorted(checkpoint.iterdir())}
    unfinished = checkpoint / f".{SEAL}"
    unfinished.write_text(json.dumps(files), encoding="utf-8")
    unfinished.replace(checkpoint / SEAL)


def last_checkpoint(work_dir: Path) -> Path | None:
    """Return the newest checkpoint that is whole. Newer ones, which a kill or a full disk has cut, are removed."""
    numbered = [path for path in work_dir.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    for path in sorted(numbered, key=lambda path: -int(path.name.rpartition("-")[2])):
        problem = _problem(path)
        if problem is None:
            return path
        log.warning("%s is passed over: %s", path, problem)
        shutil.rmtree(path, ignore_errors=True)
    return None


def _problem(checkpoint: Path) -> str | None:
    """Say why a checkpoint is not whole; None for a whole one."""
    try:
        files = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        for name, (size, sha256) in files.items():
            if (checkpoint / name).stat().st_size != size or sha256_of(checkpoint / name) != sha256:
                return f"{name} changed since it was written"
    except (OSError, ValueError, AttributeError, TypeError):
        return "it was not written to its end"
    return None


def best_row(log: list[dict[str, Any]], early_stopping_metric: tuple[str, ...] = NEXT_ITEM) -> dict[str, Any]:
    """Return the row with the highest sum of these columns, or the newest where nothing is validated."""
    validated = [row for row in log if all(column in row for column in early_stopping_metric)]
    return (
        max(validated, key=lambda row: sum(row[column] for column in early_stopping_metric))
        if validated
        else log[-1]
    )


def best_file(work_dir: Path, row: dict[str, Any]) -> Path:
    """Return where the weights of a log row are stored if they are the best."""
    return work_dir / f"best-{row['step']}.safetensors"


def resumed(work_dir: Path) -> tuple[Path | None, list[dict[str, Any]]]:
    """Return the checkpoint to continue from, if there is one, and the log up to it. Raises TrainingError."""
    checkpoint = last_checkpoint(work_dir)
    return checkpoint, restore_log(work_dir, int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0)


def restore_log(work_dir: Path, step: int) -> list[dict[str, Any]]:
    """Read the log up to ``step`` and drop later rows from it: they will be trained again."""
    path = work_dir / "train_log.jsonl"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    try:
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        rows = [row for row in rows if row["step"] <= step]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is damaged ({error}); remove {work_dir.name} and train again") from error
    whole = path.with_suffix(".new")  # a kill in the middle of this must not cost the log
    whole.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole.replace(path)
    return rows


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row to the log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
