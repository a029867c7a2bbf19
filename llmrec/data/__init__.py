"""Event logs in, leak-proof splits out."""

from llmrec.data.catalog import Catalog
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories
from llmrec.data.sequences import Sequences
from llmrec.data.split import Fold, Split

__all__ = ["Catalog", "Dataset", "Fold", "Histories", "Sequences", "Split"]
