"""Sessions, and histories in their three forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec.data import Dataset, Histories, Sequences, toy_films
from llmrec.data.forms import in_form
from llmrec.data.sessions import session_numbers
from llmrec.errors import DataError

LOG = pl.DataFrame(
    {
        "user_id": ["u", "u", "u", "v"],
        "item_id": ["a", "b", "a", "b"],
        "timestamp": [1000, 1060, 9000, 5],
        "behavior": ["pv", "buy", "pv", "pv"],
        "rating": [None, 4.5, None, 1.0],
    }
)


def test_the_three_forms() -> None:
    data = Dataset.from_tables(LOG)
    known = data.histories
    assert in_form(known, "order").rows() == [("a",), ("b",), ("a",), ("b",)]
    assert in_form(known, "gaps").rows() == [("a", None), ("b", 60), ("a", 7940), ("b", None)]
    full = in_form(known, "full")
    assert full.columns == ["item_id", "gap", "behavior", "rating", "new_session"]
    assert full["new_session"].to_list() == [True, False, True, True]
    assert in_form(known, "full", session_gap=59)["new_session"].to_list() == [True, True, True, True]
    named = Dataset.from_tables(LOG.with_columns(session_id=pl.Series(["s", "s", "s", "t"])))
    assert in_form(named.histories, "full")["new_session"].to_list() == [True, False, False, True]
    empty = Histories.from_events(data.events, users=["nobody", "v"])
    assert in_form(empty, "gaps").rows() == [("b", None)]


def test_an_order_has_no_gaps() -> None:
    data = Dataset.from_tables(LOG.drop("timestamp"))
    assert data.order_only
    with pytest.raises(DataError, match="the form 'gaps' needs times, and this log only has an order"):
        in_form(data.histories, "gaps", order_only=True)
    with pytest.raises(DataError, match="has no timestamp column"):
        in_form(Histories.of([["a"]]), "full")


def test_sessions_are_numbered_per_user() -> None:
    data = Dataset.from_tables(LOG)
    assert session_numbers(data).tolist() == [0, 0, 1, 0]
    assert session_numbers(data, gap=10).tolist() == [0, 1, 2, 0]
    named = Dataset.from_tables(LOG.drop("timestamp").with_columns(session_id=pl.Series(["s", "t", "t", "t"])))
    assert session_numbers(named).tolist() == [0, 1, 1, 0]
    with pytest.raises(DataError, match="only has an order"):
        session_numbers(named, gap=5)
    with pytest.raises(DataError, match="at least 1 second"):
        session_numbers(data, gap=0)


def test_sequences_are_mapped_from_disk(tmp_path: Path) -> None:
    data = toy_films()
    sequences = Sequences.encode(data.histories, data.catalog)
    sequences.save(tmp_path / "sequences")
    mapped = Sequences.open(tmp_path / "sequences")
    assert isinstance(mapped.codes, np.memmap)
    assert mapped.codes.tolist() == sequences.codes.tolist()
    assert mapped[7].tolist() == sequences[7].tolist()
    assert mapped.last(3).lengths().tolist() == [3] * 60
    with pytest.raises(DataError, match="exists already"):
        sequences.save(tmp_path / "sequences")
    with pytest.raises(DataError, match="holds no saved sequences"):
        Sequences.open(tmp_path)
