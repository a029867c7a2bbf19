"""The column names of the two tables, spelled here only."""

from __future__ import annotations

USER = "user_id"
ITEM = "item_id"
TIME = "timestamp"
TITLE = "title"
BEHAVIOR = "behavior"
STRENGTH = "strength"
POSITIVE = "positive_target"  # only of logs in which some event is none
SESSION = "session_id"
RANK = "rank"
SCORE = "score"

# Event columns that are numbers wherever they occur.
NUMBERS = ("rating", "price", "quantity")
