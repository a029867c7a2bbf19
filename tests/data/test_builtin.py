"""The built-in data: the real ML-100K and ML-1M, from their wheels."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import BUILTIN, Dataset, Split, fetch, toy_films
from llmrec.errors import DataError


@pytest.fixture(scope="module")
def ml_100k() -> Dataset:
    return fetch("ml-100k")


@pytest.fixture(scope="module")
def ml_1m() -> Dataset:
    return fetch("ml-1m")


def test_an_unknown_name_lists_the_known_ones() -> None:
    assert "ml-100k" in BUILTIN
    with pytest.raises(DataError, match="no built-in data set 'ml-1b'; choose from: ml-100k, ml-1m"):
        fetch("ml-1b")


def test_a_name_that_is_neither_built_in_nor_a_folder_lists_the_built_in_ones() -> None:
    with pytest.raises(
        DataError, match=r"no folder ml-1b and no built-in data set .*; the built-in ones are: ml-100k, ml-1m"
    ):
        Dataset.load("ml-1b")


def test_a_folder_is_read_where_it_is_called_as_a_built_in_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = toy_films()
    data.save("ml-100k")
    assert Dataset.load("ml-100k").fingerprint == data.fingerprint
    (tmp_path / "ml-100k" / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"not a prepared data set.*; the built-in ml-100k is read where there"):
        Dataset.load("ml-100k")


@pytest.mark.wheel
def test_a_built_in_name_goes_wherever_a_folder_goes(
    ml_100k: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Dataset.load("ml-100k").fingerprint == ml_100k.fingerprint
    assert run(["fit", "popularity", "--data", "ml-100k", "--out", "run"]) == 0
    assert run(["evaluate", "run", "--data", "ml-100k", "--out", "report"]) == 0
    assert run(["data", "split", "ml-100k"]) == 0


@pytest.mark.wheel
def test_ml_100k_is_whole(ml_100k: Dataset) -> None:
    assert repr(ml_100k) == "Dataset(ml-100k: 100,000 events, 943 users, 1,682 items)"
    assert ml_100k.events.columns == ["user_id", "item_id", "timestamp", "rating", "positive_target"]
    assert not any(step.removed for step in ml_100k.steps)
    first = ml_100k.catalog.table.row(0, named=True)
    assert first == {
        "item_id": "1",
        "title": "Toy Story",
        "year": "1995",
        "genres": "Animation, Children's, Comedy",
    }


@pytest.mark.wheel
def test_ml_100k_keeps_films_that_share_a_title(ml_100k: Dataset) -> None:
    titles = ml_100k.catalog.titles
    assert (len(titles), len(set(titles))) == (1682, 1659)
    assert titles.count("That Darn Cat!") == 3


@pytest.mark.wheel
def test_ml_100k_splits_and_repeats(ml_100k: Dataset) -> None:
    split = Split.leave_last_out(ml_100k)
    assert len(split.test.histories) == 943
    assert split.hash == Split.leave_last_out(fetch("ml-100k")).hash
    # 6,110 ratings are 1 of 5: of the last films of the 943 people, 84 were rated so.
    assert ml_100k.positive.negatives == {"rating of at most 1 of 5": 6110}
    assert split.if_all == (943, 84)
    assert split.test_answers["rating"].min() == 2
    every = fetch("ml-100k", positive="all")
    assert every.events.columns == ["user_id", "item_id", "timestamp", "rating"]
    assert Split.leave_last_out(every).train.events.height == 100_000 - 2 * 943
    assert every.fingerprint == ml_100k.with_positive("all").fingerprint != ml_100k.fingerprint


@pytest.mark.wheel
def test_ml_1m_is_whole(ml_1m: Dataset) -> None:
    assert repr(ml_1m) == "Dataset(ml-1m: 1,000,209 events, 6,040 users, 3,706 items)"
    assert ml_1m.events.columns == ["user_id", "item_id", "timestamp", "rating", "positive_target"]
    assert not any(step.removed for step in ml_1m.steps if step.table == "events")
    # The counts that GroupLens's own files have; every user rated twenty films or more.
    assert ml_1m.events["rating"].value_counts().sort("rating").rows() == [
        (1.0, 56174),
        (2.0, 107557),
        (3.0, 261197),
        (4.0, 348971),
        (5.0, 226310),
    ]
    lengths = ml_1m.histories.lengths()
    assert (lengths.min(), lengths.max()) == (20, 2314)
    assert (ml_1m.events["timestamp"].min(), ml_1m.events["timestamp"].max()) == (956703932, 1046454590)
    assert ml_1m.catalog.table.row(0, named=True) == {
        "item_id": "Toy Story (1995)",
        "title": "Toy Story",
        "year": "1995",
        "genres": "Animation, Children's, Comedy",
    }


@pytest.mark.wheel
def test_ml_1m_has_true_times_and_ties(ml_1m: Dataset) -> None:
    assert not ml_1m.order_only
    assert ml_1m.events["timestamp"].dtype == pl.Int64
    gaps = ml_1m.events.select(pl.col("timestamp").diff().over("user_id")).to_series()
    assert (gaps == 0).sum() == 529_046
    first = ml_1m.events.filter(pl.col("user_id") == "1")  # the wheel calls this user 1m_1
    assert first.height == 53
    assert first.row(0) == ("1", "Girl, Interrupted (1999)", 978300019, 4.0, True)
