"""Event logs in, leak-proof splits out. What is named here is imported when it is first used."""

from __future__ import annotations

import importlib
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
    if name not in _HOMES:
        raise AttributeError(f"module 'llmrec.data' has no attribute '{name}'")
    module, _, attribute = _HOMES[name].partition(":")
    return attrgetter(attribute)(importlib.import_module(f"llmrec.data.{module}"))


def __dir__() -> list[str]:
    return sorted(__all__)
