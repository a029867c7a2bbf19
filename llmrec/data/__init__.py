"""Event logs in, leak-proof splits out. What is named here is imported when it is first used."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from operator import attrgetter
from typing import TYPE_CHECKING

__all__ = [
    "BUILTIN",
    "Catalog",
    "Dataset",
    "Fold",
    "Histories",
    "Sequences",
    "Split",
    "fetch",
    "register_reader",
    "split_strategy",
    "toy_films",
]

# Each public name's module and its name there.
_HOMES = {
    "BUILTIN": "builtin:BUILTIN",
    "Catalog": "catalog:Catalog",
    "Dataset": "dataset:Dataset",
    "Fold": "splits:Fold",
    "Histories": "histories:Histories",
    "Sequences": "sequences:Sequences",
    "Split": "splits:Split",
    "fetch": "dataset:Dataset.fetch",
    "register_reader": "readers:register_reader",
    "split_strategy": "splits:split_strategy",
    "toy_films": "toy:toy_films",
}

if TYPE_CHECKING:
    from llmrec.data.builtin import BUILTIN
    from llmrec.data.catalog import Catalog
    from llmrec.data.dataset import Dataset
    from llmrec.data.histories import Histories
    from llmrec.data.readers import register_reader
    from llmrec.data.sequences import Sequences
    from llmrec.data.splits import Fold, Split, split_strategy
    from llmrec.data.toy import toy_films

    fetch = Dataset.fetch


def __getattr__(name: str) -> object:
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return attrgetter(attribute)(importlib.import_module(f"llmrec.data.{module}"))
    if not name.startswith("_") and importlib.util.find_spec(f"llmrec.data.{name}") is not None:
        return importlib.import_module(f"llmrec.data.{name}")  # llmrec.data.splits, say
    alike = difflib.get_close_matches(name, __all__, n=1)
    meant = f"; did you mean {alike[0]}?" if alike else ""
    raise AttributeError(f"module 'llmrec.data' has no attribute '{name}'{meant}")


def __dir__() -> list[str]:
    return sorted(__all__)
