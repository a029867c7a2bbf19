"""llmrec: LLM prompting and embedding for recommendation.

The whole public surface stands in ``__all__``; everything heavy is imported when first used.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "Client",
    "Dataset",
    "Filter",
    "Histories",
    "ItemIndex",
    "Recipe",
    "Split",
    "UserIndex",
    "__version__",
    "batch",
    "evaluate",
    "explain",
    "fit",
    "load",
    "models",
    "provenance",
]

# Each public name's module and its name there.
_HOMES = {
    "Calibration": ("llmrec.retrieval", "Calibration"),
    "Client": ("llmrec.client", "Client"),
    "Dataset": ("llmrec.data", "Dataset"),
    "Histories": ("llmrec.data", "Histories"),
    "Split": ("llmrec.data", "Split"),
    "Recipe": ("llmrec.config", "Recipe"),
    "batch": ("llmrec.jobs", "batch"),
    "Filter": ("llmrec.retrieval", "Filter"),
    "ItemIndex": ("llmrec.retrieval", "ItemIndex"),
    "UserIndex": ("llmrec.retrieval", "UserIndex"),
    "fit": ("llmrec.models.runs", "fit_run"),
    "load": ("llmrec.models", "load"),
    "evaluate": ("llmrec.evaluation", "evaluate"),
    "explain": ("llmrec.reasons", "explain"),
    "provenance": ("llmrec.runtime", "provenance"),
}

if TYPE_CHECKING:
    from llmrec import models
    from llmrec.client import Client
    from llmrec.config import Recipe
    from llmrec.data import Dataset, Histories, Split
    from llmrec.evaluation import evaluate
    from llmrec.jobs import batch
    from llmrec.models import load
    from llmrec.models.runs import fit_run as fit
    from llmrec.reasons import explain
    from llmrec.retrieval import Calibration, Filter, ItemIndex, UserIndex
    from llmrec.runtime import provenance


def __getattr__(name: str) -> object:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    if not name.startswith("_") and importlib.util.find_spec(f"llmrec.{name}") is not None:
        return importlib.import_module(f"llmrec.{name}")  # llmrec.models, llmrec.data
    alike = difflib.get_close_matches(name, __all__, n=1)
    meant = f"; did you mean {alike[0]}?" if alike else ""
    raise AttributeError(f"module 'llmrec' has no attribute '{name}'{meant}")


def __dir__() -> list[str]:
    return sorted(__all__)
