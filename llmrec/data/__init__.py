"""Event logs in, leak-proof splits out."""

from llmrec.data.builtin import BUILTIN
from llmrec.data.catalog import Catalog
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories
from llmrec.data.readers import register_reader
from llmrec.data.sequences import Sequences
from llmrec.data.splits import Fold, Split, split_strategy
from llmrec.data.toy import toy_films

fetch = Dataset.fetch

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
