"""Nearest items in the space of any recommender's vectors."""

from llmrec.retrieval.calibration import Calibration
from llmrec.retrieval.filters import Filter
from llmrec.retrieval.index import ItemIndex, UserIndex, VectorIndex
from llmrec.retrieval.neighbors import Neighbors

__all__ = ["Calibration", "Filter", "ItemIndex", "Neighbors", "UserIndex", "VectorIndex"]
