"""What the steps of cleaning noted."""

from __future__ import annotations

from llmrec.data import Dataset


def note(data: Dataset, name: str = "timestamp") -> str:
    """Return the note of the step of that name."""
    return next(step.note for step in data.steps if step.name == name)
