"""Parts of seconds are kept: events of one second are one basket only where their microseconds agree."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec.data import Dataset, Split
from llmrec.data.describe import describe
from llmrec.data.histories import n_strictly_earlier
from llmrec.data.responses import TaskSet

SECOND = 1_600_000_000
# Microseconds after one second, so that whole seconds would make a single basket of each user's events.
PARTS = [5, 5, 6, 250_000, 999_999, 999_998]
MICROS = [SECOND * 1_000_000 + part for part in PARTS]
SORTED = [5, 5, 6, 250_000, 999_998, 999_999]
FORMS: dict[str, list[object]] = {
    "microseconds": list(MICROS),
    "nanoseconds": [micros * 1000 for micros in MICROS],
    "decimal seconds": [f"{SECOND}.{part:06d}" for part in PARTS],
    "ISO": [datetime.fromtimestamp(SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{part:06d}Z" for part in PARTS],
    "datetime": list(pl.Series(MICROS).cast(pl.Datetime("us"))),
}


def log(times: list[object], user: str = "u") -> pl.DataFrame:
    return pl.DataFrame({"user_id": [user] * 6, "item_id": list("abcdef"), "timestamp": times})


@pytest.mark.parametrize("form", FORMS)
def test_times_are_exact_to_the_microsecond(form: str, tmp_path: Path) -> None:
    data = Dataset.from_tables(log(FORMS[form]))
    data.save(tmp_path / "data")
    data = Dataset.load(tmp_path / "data")
    assert data.events["item_id"].to_list() == list("abcdfe")
    micros = (data.events["timestamp"] * 1_000_000).round().cast(pl.Int64) - SECOND * 1_000_000
    assert micros.to_list() == SORTED
    assert n_strictly_earlier(data.histories).tolist() == [0, 0, 2, 3, 4, 5]


def test_whole_seconds_stay_whole_numbers() -> None:
    assert Dataset.from_tables(log([SECOND * 1000] * 6)).events.schema["timestamp"] == pl.Int64


def test_splits_cut_between_microseconds() -> None:
    tables = [log(FORMS["microseconds"], user) for user in "uvw"]
    data = Dataset.from_tables(pl.concat(tables))
    split = Split.global_time(data)
    assert split.train.events["timestamp"].max() < split.held_out["timestamp"].min()  # type: ignore[operator]
    named = Split.global_time(data, valid_from=f"{SECOND}.25", test_from=f"{SECOND}.999999")
    assert np.bincount(named.parts).tolist() == [9, 6, 3]


def test_gaps_have_parts_of_seconds() -> None:
    data = Dataset.from_tables(pl.concat([log(FORMS["microseconds"], user) for user in "uv"]))
    assert TaskSet.fit(data, ["gap"]).names == ["gap"]
    assert describe(data).height > 0
