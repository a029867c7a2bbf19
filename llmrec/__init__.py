"""llmrec: LLM prompting and embedding for recommendation.

The whole public surface stands in ``__all__``; everything heavy is imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["Dataset", "Histories", "Recipe", "Split", "__version__", "evaluate", "explain", "load", "models"]

_HOMES = {
    "Dataset": "llmrec.data",
    "Histories": "llmrec.data",
    "Split": "llmrec.data",
    "Recipe": "llmrec.config",
    "load": "llmrec.models",
    "evaluate": "llmrec.evaluation",
    "explain": "llmrec.reasons",
}

if TYPE_CHECKING:
    from llmrec import models
    from llmrec.config import Recipe
    from llmrec.data import Dataset, Histories, Split
    from llmrec.evaluation import evaluate
    from llmrec.models import load
    from llmrec.reasons import explain


def __getattr__(name: str) -> object:
    if name == "models":
        return importlib.import_module("llmrec.models")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'llmrec' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
