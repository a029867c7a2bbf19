"""Nearest items in the space of any recommender's vectors."""
