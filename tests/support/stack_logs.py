"""Stacks of some members, and logs whose events follow a chain or popularity, for what a stack trusts."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec import Dataset, Recipe


def log_of(follow: float, *, seed: int = 0, n_users: int = 300, n_items: int = 40) -> Dataset:
    """A log in which the next number follows with probability ``follow``, any item else; items 0-4 are popular."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        item = int(draw.integers(n_items))
        for time in range(8):
            rows.append((f"u{user}", str(item), time))
            popular = int(draw.integers(5)) if draw.random() < 0.7 else int(draw.integers(n_items))
            item = (item + 1) % n_items if draw.random() < follow else popular
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset.from_tables(table)


def stacked(*members: str) -> Recipe:
    """A stack of recipes, each with changes after its name."""
    return Recipe.of({"name": "stack", "model": "stacked", "stack": {"members": list(members)}})
