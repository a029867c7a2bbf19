"""Ways to cut by name: the same split as the constructor's, or one line that lists the names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset, Split
from llmrec.data.splits import named
from llmrec.errors import DataError

DAY = 86_400


@pytest.fixture(scope="module")
def data() -> Dataset:
    rows = [(f"u{n % 12}", f"i{(7 * n) % 30}", 1000 + n * DAY // 4) for n in range(400)]
    return Dataset.from_tables(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))


@pytest.mark.parametrize("name", [*named.NAMED_SPLITS, "rolling-2-of-3"])
def test_the_split_carries_the_name_it_was_asked_for_by(name: str, data: Dataset) -> None:
    split = named.cut(name, data)
    assert split.name == name
    assert split.hash == named.find(name, data).hash
    assert named.strategy_of(name) == ("rolling" if "rolling" in name else name)


def test_windows_are_those_of_rolling(data: Dataset) -> None:
    wanted = [split.hash for split in Split.rolling(data, windows=4)]
    assert [named.cut(f"rolling-{n}-of-4", data).hash for n in range(1, 5)] == wanted


@pytest.mark.parametrize(
    "name", ["rolling", "rolling-4-of-3", "rolling-0-of-3", "leave-one-out", "no/such/folder"]
)
def test_another_name_is_refused_with_the_known_ones(name: str, data: Dataset) -> None:
    with pytest.raises(DataError, match=r"leave-last-out, .* rolling-1-of-3"):
        named.find(name, data)


def test_a_folder_is_what_was_saved(tmp_path: Path, data: Dataset) -> None:
    split = Split.leave_last_k(data, k=3)
    split.save(tmp_path / "cut")
    assert named.find(str(tmp_path / "cut"), data).hash == split.hash
