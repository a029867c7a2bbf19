"""Toy data whose right answer is known: for tests and first tries."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec.data.columns import ITEM, TIME, TITLE, USER
from llmrec.data.dataset import Dataset
from llmrec.errors import DataError

_FIRST = (
    "Silent",
    "Golden",
    "Broken",
    "Crimson",
    "Hidden",
    "Frozen",
    "Distant",
    "Burning",
    "Paper",
    "Electric",
)
_SECOND = (
    "Harbor",
    "Garden",
    "Mirror",
    "Station",
    "Orchard",
    "Mountain",
    "Letter",
    "Engine",
    "Island",
    "Clock",
)
_EPOCH = 1_700_000_000


def toy_films(n_items: int = 20, n_users: int = 60, *, length: int = 8, seed: int = 0) -> Dataset:
    """Make films that are seen in a fixed cyclic order: after u, u+1, u+2 comes u+3, modulo ``n_items``.

    Every user starts at a random film and sees ``length`` of them, a minute apart. Item ids are "0", "1", ...
    and titles are distinct. Raises DataError for fewer than 4 films, 1 user or 1 event.

    >>> toy_films().histories.items(0)
    ['17', '18', '19', '0', '1', '2', '3', '4']
    """
    if n_items < 4 or n_users < 1 or length < 1:
        raise DataError(f"toy films need 4 films, 1 user and 1 event, got {n_items}, {n_users} and {length}")
    starts = np.random.default_rng(seed).integers(n_items, size=n_users)
    films = (starts[:, None] + np.arange(length)) % n_items
    users = np.repeat(np.arange(n_users), length)
    times = _EPOCH + np.arange(n_users)[:, None] * 3600 + np.arange(length) * 60
    events = pl.DataFrame({USER: users, ITEM: films.reshape(-1), TIME: times.reshape(-1)})
    items = pl.DataFrame({ITEM: np.arange(n_items), TITLE: [_title(n, n_items) for n in range(n_items)]})
    return Dataset.from_tables(events, items=items, name="toy-films", keep_unseen_items=True)


def _title(n: int, n_items: int) -> str:
    digits = max(2, len(str(n_items - 1)))
    # Seven is coprime to ten: the second word changes with every film, and pairs repeat only after a hundred.
    return f"Film {n:0{digits}d}: {_FIRST[n % 10]} {_SECOND[(n // 10 + 7 * n) % 10]}"
