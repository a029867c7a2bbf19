"""Event logs in, leak-proof splits out."""

from llmrec.data.builtin import BUILTIN
from llmrec.data.catalog import Catalog
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories
from llmrec.data.sequences import Sequences
from llmrec.data.splits.split import Fold, Split
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
    "toy_films",
]
