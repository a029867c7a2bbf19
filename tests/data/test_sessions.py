"""Sessions: numbered per user, by session id or by pauses."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.sessions import session_numbers
from llmrec.errors import DataError

LOG = pl.DataFrame(
    {"user_id": ["u", "u", "u", "v"], "item_id": ["a", "b", "a", "b"], "timestamp": [1000, 1060, 9000, 5]}
)


def test_sessions_are_numbered_per_user() -> None:
    data = Dataset.from_tables(LOG, time_format="seconds")
    assert session_numbers(data).tolist() == [0, 0, 1, 0]
    assert session_numbers(data, gap=10).tolist() == [0, 1, 2, 0]
    named = Dataset.from_tables(LOG.drop("timestamp").with_columns(session_id=pl.Series(["s", "t", "t", "t"])))
    assert session_numbers(named).tolist() == [0, 1, 1, 0]
    with pytest.raises(DataError, match="only has an order"):
        session_numbers(named, gap=5)
    with pytest.raises(DataError, match="at least 1 second"):
        session_numbers(data, gap=0)
