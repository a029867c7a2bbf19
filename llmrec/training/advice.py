"""Say what to do when training diverges, or runs out of memory or disk space."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from llmrec.config import TrainConfig
from llmrec.errors import EnvironmentFault, LlmrecError, TrainingError
from llmrec.resources.cache import no_space
from llmrec.training.checkpoints import last_checkpoint
from llmrec.training.distributed import size


@contextmanager
def memory_advice(settings: TrainConfig) -> Iterator[None]:
    """Turn exhausted memory, of any device, into a TrainingError that names the fields to change."""
    try:
        yield
    except Exception as error:
        text = str(error)
        # An accelerator's error, Python's, and the CPU allocator's: Windows words it another way than Linux.
        short = "not enough memory" in text or "can't allocate memory" in text
        if not (short or isinstance(error, (torch.OutOfMemoryError, MemoryError))):
            raise
        shards = (
            ", or divide the items by train.shard_items=true" if size() > 1 and not settings.shard_items else ""
        )
        raise TrainingError(
            f"out of memory with train.batch_tokens={settings.batch_tokens}: halve it and double "
            f"train.accumulation, or train an LLM with backbone.gradient_checkpointing=true{shards}; with any of "
            "these start anew, --resume goes on with the same recipe only"
        ) from error


@contextmanager
def disk_advice(work_dir: Path) -> Iterator[None]:
    """Turn a full disk into an EnvironmentFault that says whether training can be resumed."""
    try:
        yield
    except LlmrecError:
        raise
    except Exception as error:
        if not no_space(error, work_dir):
            raise
        remedy = "free some and pass --resume" if last_checkpoint(work_dir) else "free some"
        raise EnvironmentFault(f"no space left for checkpoints in {work_dir}: {remedy}") from error


def diverged(what: str, work_dir: Path) -> str:
    """Word a message about a loss or weights that became NaN or infinite."""
    newest = last_checkpoint(work_dir)
    where = f"the last good checkpoint is {newest}" if newest else "there is no checkpoint yet"
    return f"{what}; {where}; lower train.learning_rate, or an LLM's train.head_learning_rate"
