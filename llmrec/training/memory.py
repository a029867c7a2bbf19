"""Say which field of a recipe to change when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from llmrec.config import TrainConfig
from llmrec.errors import TrainingError


@contextmanager
def memory_advice(settings: TrainConfig) -> Iterator[None]:
    """Turn exhausted memory, an accelerator's or the machine's, into a TrainingError with the way out."""
    try:
        yield
    except Exception as error:
        text = str(error)
        # An accelerator's error, Python's own, and the CPU allocator's: Windows words it another way than Linux.
        short = "not enough memory" in text or "can't allocate memory" in text
        if not (short or isinstance(error, (torch.OutOfMemoryError, MemoryError))):
            raise
        raise TrainingError(
            f"out of memory with train.batch_tokens={settings.batch_tokens}: halve it and double "
            "train.accumulation, or set backbone.gradient_checkpointing=true"
        ) from error
