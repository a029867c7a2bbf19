"""Nearest items in the space of any recommender's vectors."""

from llmrec.retrieval.filters import Filter
from llmrec.retrieval.index import ItemIndex, Neighbors, UserIndex, VectorIndex

__all__ = ["Filter", "ItemIndex", "Neighbors", "UserIndex", "VectorIndex"]
