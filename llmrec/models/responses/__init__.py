"""Predict responses: behaviors, purchases, ratings, gaps, values."""
