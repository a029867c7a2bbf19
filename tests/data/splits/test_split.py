"""The split: nothing held out is trained on, every event is used once, and it can be made again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmrec.data import Dataset, Split, toy_films
from llmrec.errors import DataError

LOGS = st.lists(st.tuples(st.sampled_from("uvwx"), st.sampled_from("abc"), st.integers(50, 54)), max_size=30)


def numbered(rows: list[tuple[str, str, int]]) -> Dataset:
    """Number the events, so that no two are equal."""
    assume(any(sum(user == row[0] for row in rows) >= 3 for user in "uvwx"))
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row").with_row_index("number")
    return Dataset.from_tables(table)


@settings(deadline=None, max_examples=60)
@given(LOGS)
def test_leave_last_out_against_plain_python(rows: list[tuple[str, str, int]]) -> None:
    data = numbered(rows)
    split = Split.leave_last_out(data)
    train, valid, test = [], {}, {}
    for user in sorted({row[0] for row in rows}):
        mine = [n for n, row in enumerate(rows) if row[0] == user]
        mine.sort(key=lambda n: rows[n][2])
        train += mine if len(mine) < 3 else mine[:-2]
        if len(mine) >= 3:
            valid[user], test[user] = mine[:-1], mine
    assert split.train.events["number"].to_list() == train
    for fold, expected in ((split.valid, valid), (split.test, test)):
        assert fold.histories.user_ids == tuple(expected)
        assert fold.histories.events["number"].to_list() == [n for mine in expected.values() for n in mine[:-1]]
        assert fold.answers.rows() == [(user, rows[mine[-1]][1]) for user, mine in expected.items()]
        assert fold.histories.lengths().tolist() == [len(mine) - 1 for mine in expected.values()]


@settings(deadline=None, max_examples=60)
@given(LOGS)
def test_every_event_has_one_part_and_a_second_split_is_identical(rows: list[tuple[str, str, int]]) -> None:
    data = numbered(rows)
    split, again = Split.leave_last_out(data), Split.leave_last_out(data)
    assert len(split.parts) == data.events.height
    counts = [split.train.events.height, split.valid.answers.height, split.test.answers.height]
    assert np.bincount(split.parts, minlength=3).tolist() == counts
    held_out = set(data.events.filter(split.parts > 0)["number"])
    assert not held_out & set(split.train.events["number"])
    assert split.hash == again.hash
    assert split.train.events.equals(again.train.events)


def test_several_answers_and_users_without_one() -> None:
    data = Dataset.from_tables({"user_id": list("uuuuvv"), "item_id": list("abcdab")})
    split = Split("by hand", data, np.array([0, 1, 0, 1, 0, 0], dtype=np.int8))
    assert split.valid.answers.rows() == [("u", "b"), ("u", "d")]
    assert list(split.valid.histories) == [["a"]]
    assert len(split.test.histories) == 0
    assert split.test.answers.is_empty()


def test_the_hash_depends_on_name_parts_and_data() -> None:
    data = toy_films()
    parts = Split.leave_last_out(data).parts
    other = parts.copy()
    other[:8] = 0
    hashes = {
        Split("a", data, parts).hash,
        Split("b", data, parts).hash,
        Split("a", data, other).hash,
        Split.leave_last_out(toy_films(seed=1)).hash,
    }
    assert len(hashes) == 4


def test_too_short_histories_and_scattered_users_are_refused() -> None:
    short = Dataset.from_tables({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    with pytest.raises(DataError, match="no user has 3 events"):
        Split.leave_last_out(short)
    data = toy_films()
    with pytest.raises(DataError, match=r"by hand: 2 parts for \d+ events"):
        Split("by hand", data, np.zeros(2, dtype=np.int8))
    mixed = data.with_events(data.events.sort("item_id"))
    with pytest.raises(DataError, match="not together"):
        Split.leave_last_out(mixed)


def test_a_saved_split_cuts_the_same_and_only_the_same_data(tmp_path: Path) -> None:
    data = toy_films()
    split = Split.leave_last_out(data)
    split.save(tmp_path / "split")
    again = Split.load(tmp_path / "split", data)
    assert (again.name, again.hash) == (split.name, split.hash)
    with pytest.raises(DataError, match="exists already"):
        split.save(tmp_path / "split")
    for other in (toy_films(seed=1), toy_films(n_users=3)):
        with pytest.raises(DataError, match="was made from other data than 'toy-films'"):
            Split.load(tmp_path / "split", other)
    with pytest.raises(DataError, match="is not a saved split"):
        Split.load(tmp_path, data)
    facts = json.loads((tmp_path / "split" / "split.json").read_text())
    (tmp_path / "split" / "split.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(DataError, match="newer than 1"):
        Split.load(tmp_path / "split", data)
    (tmp_path / "split" / "parts.parquet").unlink()
    with pytest.raises(DataError, match="is damaged"):
        Split.load(tmp_path / "split", data)
