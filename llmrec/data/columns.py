"""The column names of the two tables, spelled here only."""

from __future__ import annotations

USER = "user_id"
ITEM = "item_id"
TIME = "timestamp"
TITLE = "title"
BEHAVIOR = "behavior"
STRENGTH = "strength"
SESSION = "session_id"
RANK = "rank"
SCORE = "score"

# Event columns that are numbers wherever they occur.
NUMBERS = ("rating", "price", "quantity")
