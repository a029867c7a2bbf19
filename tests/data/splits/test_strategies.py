"""Every split strategy: whatever the data, nothing held out is trained on and every event has one part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.properties import searched

from llmrec.data import Dataset, Split
from llmrec.data.splits.leaks import check
from llmrec.errors import DataError

# Every strategy has enough of these to hold something out.
ENOUGH = [("uvwxyz"[n % 6], "abcdefgh"[n % 8], 1000 + 5 * n) for n in range(41)]
FURTHER = st.lists(
    st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcdefgh"), st.integers(1000, 1200)),
    min_size=1,
    max_size=60,
)
# One log in five or so is only what hypothesis makes up.
LOGS = st.builds(lambda n, rows: (ENOUGH if n else []) + rows, st.integers(0, 4), FURTHER)
STRATEGIES: dict[str, Callable[[Dataset], list[Split]]] = {
    "leave-last-out": lambda data: [Split.leave_last_out(data)],
    "leave-last-k": lambda data: [Split.leave_last_k(data, k=2)],
    "global-time": lambda data: [Split.global_time(data)],
    "rolling": lambda data: Split.rolling(data, windows=2),
    "user-disjoint": lambda data: [Split.user_disjoint(data, share=0.3)],
    "cold-items": lambda data: [Split.cold_items(data, share=0.3)],
    "per-session": lambda data: [Split.per_session(data, gap=20)],
}


def numbered(rows: list[tuple[str, str, int]]) -> Dataset:
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset.from_tables(table.with_row_index("number"), time_format="seconds")


def ids(split: Split, events: pl.DataFrame, part: int) -> set[int]:
    return set(events.filter(split.parts == part)["number"].to_list())


@searched(30)
@pytest.mark.parametrize("name", STRATEGIES)
def test_nothing_held_out_is_trained_on_and_every_event_has_one_part(name: str, examples: int) -> None:
    counts = Counter[str]()

    @settings(deadline=None, max_examples=examples)
    @given(LOGS)
    def check_splits(rows: list[tuple[str, str, int]]) -> None:
        data = numbered(rows)
        try:
            splits, again = STRATEGIES[name](data), STRATEGIES[name](data)
        except DataError as error:
            assert "\n" not in str(error)
            counts["refused"] += 1
            return
        counts["split"] += 1
        for split, same in zip(splits, again, strict=True):
            assert split.hash == same.hash
            check_parts(split)

    check_splits()
    assert counts["split"] >= examples // 20, counts


def check_parts(split: Split) -> None:
    events = split.data.events
    assert len(split.parts) == events.height
    parts = [ids(split, events, part) for part in range(4)]
    assert sum(map(len, parts)) == events.height
    assert set(split.train.events["number"]) == parts[0]
    assert set(split.held_out["number"]) == parts[2]
    assert (split.valid.answers.height, split.test.answers.height) == (len(parts[1]), len(parts[2]))
    for fold, part in ((split.valid, parts[1]), (split.test, parts[2])):
        assert not part & set(fold.histories.events["number"])
    errors = {finding.name for finding in check(split) if finding.severity == "error"}
    assert "future-in-train" not in errors


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_saved_split_comes_back(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [(user, "abcdefgh"[rng.integers(8)], int(rng.integers(1000, 1400))) for user in "uvwxyz" * 12]
    data = numbered(rows)
    for number, split in enumerate(STRATEGIES[name](data)):
        split.save(tmp_path / str(number))
        again = Split.load(tmp_path / str(number), data)
        assert (again.name, again.hash) == (split.name, split.hash)
        assert again.parts.tolist() == split.parts.tolist()


LOG = numbered([("u", "a", 1000 + 10 * n) for n in range(10)] + [("v", "b", 1000 + 30 * n) for n in range(5)])


def test_last_k() -> None:
    split = Split.leave_last_k(LOG, k=2)
    assert split.parts.tolist() == [0] * 6 + [1, 1, 2, 2] + [0] + [1, 1, 2, 2]
    assert split.test.histories.lengths().tolist() == [8, 3]
    with pytest.raises(DataError, match="no user has 13 events"):
        Split.leave_last_k(LOG, k=6)
    with pytest.raises(DataError, match="at least 1 event"):
        Split.leave_last_k(LOG, k=0)


def test_global_time() -> None:
    split = Split.global_time(LOG, valid_from=1060, test_from=1090)
    assert split.train.events["timestamp"].to_list() == [1000, 1010, 1020, 1030, 1040, 1050, 1000, 1030]
    assert split.test.answers.rows() == [("u", "a"), ("v", "b"), ("v", "b")]
    assert split.test.histories.lengths().tolist() == [9, 3]
    with pytest.raises(DataError, match="split times must rise"):
        Split.global_time(LOG, valid_from=1090, test_from=1060)
    with pytest.raises(DataError, match=r"no event is in test .* its times run from 1000 to 1120"):
        Split.global_time(LOG, valid_from=1060, test_from=5000)


def test_rolling_windows_move_on() -> None:
    splits = Split.rolling(LOG, windows=2, share=0.6)
    assert [split.name for split in splits] == ["rolling-1-of-2", "rolling-2-of-2"]
    first, second = splits
    assert first.train.events.height < second.train.events.height
    assert set(first.held_out["number"]) == set(LOG.events.filter(second.parts == 1)["number"])
    assert (first.parts == 3).any()
    assert not (second.parts == 3).any()
    with pytest.raises(DataError, match="at least 1 window"):
        Split.rolling(LOG, windows=0)


@pytest.mark.parametrize("name", ["global-time", "rolling"])
def test_an_order_is_no_time(name: str) -> None:
    data = Dataset.from_tables(LOG.events.drop("timestamp"), name="ordered")
    with pytest.raises(DataError, match=r"ordered: .* this log only has an order; use leave-last-out"):
        STRATEGIES[name](data)
    with pytest.raises(DataError, match="sessions need a session_id column or times"):
        Split.per_session(data)


def test_new_users_and_new_items_stay_out_of_train() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{n % 40}", f"i{rng.integers(60)}", 1000 + n) for n in range(800)]
    data = numbered(rows)
    people = Split.user_disjoint(data, share=0.2)
    test_users = set(people.test.answers["user_id"])
    assert len(test_users) == 8
    assert not test_users & set(people.train.events["user_id"])
    assert not test_users & set(people.valid.answers["user_id"])
    assert people.test.histories.lengths().min() == 19
    things = Split.cold_items(data, share=0.2)
    cold = set(things.test.answers["item_id"])
    assert len(cold) == 12
    assert not cold & set(things.train.events["item_id"])
    assert Split.cold_items(data, share=0.2, seed=1).hash != things.hash
    with pytest.raises(DataError, match=r"it must be in \(0, 0\.5\)"):
        Split.user_disjoint(data, share=0.5)


def test_per_session() -> None:
    times = [100, 110, 5000, 5010, 9000, 9010, 9020]
    data = numbered([("u", "a", time) for time in times])
    assert Split.per_session(data).parts.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert Split.per_session(data).test.histories.lengths().tolist() == [4]
    with pytest.raises(DataError, match="no user has 3 sessions"):
        Split.per_session(data, gap=10_000)
