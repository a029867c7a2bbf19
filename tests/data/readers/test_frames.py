"""Frames of every library, Hugging Face data sets among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.errors import DataError

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [10, 20, 30]}
ITEMS = {"item_id": ["a", "b"], "title": ["Film A", "Film B"]}
EXPECTED = Dataset.from_tables(EVENTS, items=ITEMS).fingerprint


def test_hugging_face_data_sets_stream_and_keep_their_selection(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict(EVENTS)

    def stream() -> Iterator[dict[str, Any]]:
        yield from pl.DataFrame(EVENTS).to_dicts()

    streamed = datasets.IterableDataset.from_generator(stream)
    assert Dataset.from_tables(streamed, items=ITEMS).fingerprint == EXPECTED
    assert Dataset.from_tables(whole.select([0, 1]), items=ITEMS).events.height == 2
    with pytest.raises(DataError, match="it has the splits train: pass one of them"):
        Dataset.from_tables(datasets.DatasetDict({"train": whole}), items=ITEMS)
    whole.save_to_disk(str(tmp_path / "saved"))
    pl.DataFrame(ITEMS).write_csv(tmp_path / "items.csv")
    assert Dataset.from_files(tmp_path / "saved", items=tmp_path / "items.csv").fingerprint == EXPECTED


def test_an_index_of_pandas_that_has_a_name_is_a_column() -> None:
    frame = pl.DataFrame(EVENTS).to_pandas()
    for index in ("user_id", ["user_id", "timestamp"]):
        assert Dataset.from_pandas(frame.set_index(index), items=ITEMS).fingerprint == EXPECTED
    assert "index" not in Dataset.from_pandas(frame).events.columns
    twice = frame.set_index("user_id", drop=False)
    with pytest.raises(DataError, match="cannot insert user_id, already exists"):
        Dataset.from_pandas(twice)
