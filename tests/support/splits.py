"""Splits with a fault that must be caught."""

from __future__ import annotations

from dataclasses import replace

from llmrec import Split


def planted(split: Split, **parts: object) -> Split:
    """Return a split with another train, valid or test part: a fault to be caught."""
    faulty = replace(split)
    vars(faulty).update(parts)
    return faulty
