"""Nearest items in the space of any recommender's vectors."""

from llmrec.retrieval.index import ItemIndex, Neighbors, UserIndex, VectorIndex

__all__ = ["ItemIndex", "Neighbors", "UserIndex", "VectorIndex"]
