"""The data set: its constructors, its fingerprint, and the round trip through a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data import Dataset, Histories, toy_films
from llmrec.errors import DataError

EVENTS = {
    "user_id": ["u", "u", "v"],
    "item_id": ["a", "b", "a"],
    "timestamp": [1_600_000_010, 1_600_000_020, 1_600_000_030],
    "rating": [1, 2, 3],
}
ITEMS = {"item_id": ["a", "b"], "title": ["Film A", "Film B"]}


def test_every_frame_gives_the_same_data() -> None:
    polars = pl.DataFrame(EVENTS)
    frames = [EVENTS, polars, polars.lazy(), pd.DataFrame(EVENTS), pa.table(EVENTS), polars.to_dicts()]
    prints = {Dataset.from_tables(frame, items=ITEMS).fingerprint for frame in frames}
    assert len(prints) == 1


def test_a_hugging_face_dataset_is_a_frame() -> None:
    datasets = pytest.importorskip("datasets")
    data = Dataset.from_tables(datasets.Dataset.from_dict(EVENTS), items=ITEMS)
    assert data.fingerprint == Dataset.from_tables(EVENTS, items=ITEMS).fingerprint


def test_files_and_tables_agree(tmp_path: Path) -> None:
    pl.DataFrame(EVENTS).write_csv(tmp_path / "log.csv")
    pl.DataFrame(ITEMS).write_csv(tmp_path / "items.csv")
    data = Dataset.from_csv(tmp_path / "log.csv", items=str(tmp_path / "items.csv"))
    assert data.name == "log"
    assert data.fingerprint == Dataset.from_tables(EVENTS, items=ITEMS).fingerprint
    assert repr(data) == "Dataset(log: 3 events, 2 users, 2 items)"


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(DataError, match="events: cannot read a table from int"):
        Dataset.from_tables(3)
    with pytest.raises(DataError, match=r"got the string 'log\.csv'; read files with from_files"):
        Dataset.from_tables("log.csv")
    with pytest.raises(DataError, match="items: no column 'title'"):
        Dataset.from_tables(EVENTS, items={"item_id": ["a"]})
    with pytest.raises(DataError, match="events: cannot read a table from dict"):
        Dataset.from_tables({"user_id": [1], "item_id": [1, 2]})


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(DataError, match="no cleaning option 'drop_unknown_item'; did you mean drop_unknown_items"):
        Dataset.from_tables(EVENTS, items=ITEMS, drop_unknown_item=True)  # type: ignore[call-arg]


def test_the_fingerprint_is_pinned() -> None:
    # Written in manifests: a change here makes every stored run look as if its data had changed.
    expected = "4d8b08102f404bb85d1d4f7eccbb40fcbb2056cff777843493b9ac5ed05a66ce"
    events = EVENTS | {"timestamp": [10, 20, 30]}
    data = Dataset.from_tables(events, items=ITEMS, time_format="seconds")
    assert data.fingerprint == expected


def test_the_fingerprint_sees_every_change() -> None:
    events, texts = pl.DataFrame(EVENTS), pl.DataFrame(ITEMS)
    variants = [
        (events, texts),
        (events.with_columns(rating=pl.Series([1, 2, None])), texts),
        (events.with_columns(rating=pl.Series([1, 2, 0])), texts),
        (events.with_columns(timestamp=pl.Series([1_600_000_010, 1_600_000_020, 1_600_000_031])), texts),
        (events, texts.with_columns(title=pl.Series(["Film", " AFilm B"]))),
        (events, texts.reverse()),
        (events.rename({"rating": "stars2"}), texts),
    ]
    assert len({Dataset.from_tables(*pair[:1], items=pair[1]).fingerprint for pair in variants}) == len(variants)


def test_the_fingerprint_does_not_see_chunks() -> None:
    data = toy_films(seed=3)
    parts = [data.events[n : n + 7] for n in range(0, data.events.height, 7)]
    assert data.with_events(pl.concat(parts, rechunk=False)).fingerprint == data.fingerprint


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(deadline=None, max_examples=25)
@given(
    titles=st.lists(st.one_of(st.none(), TEXT), min_size=1, max_size=6),
    prices=st.lists(
        st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=6
    ),
)
def test_a_round_trip_keeps_the_fingerprint(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str | None], prices: list[float | None]
) -> None:
    ids = [str(n) for n in range(len(titles))]
    texts = pl.DataFrame({"item_id": ids, "title": [f"Film {n}" for n in ids], "note": titles})
    events = pl.DataFrame({"item_id": ids[: len(prices)], "price": prices[: len(ids)]}).with_columns(user_id=1)
    data = Dataset.from_tables(events, items=texts)
    folder = tmp_path_factory.mktemp("round") / "data"
    data.save(folder)
    again = Dataset.load(folder)
    assert again.fingerprint == data.fingerprint
    assert again.events.equals(data.events)
    assert (again.name, again.steps, again.order_only) == (data.name, data.steps, True)


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a prepared data set; make one with: llmrec data prepare"):
        Dataset.load(tmp_path)
    folder = tmp_path / "data"
    data = toy_films()
    data.save(folder)
    with pytest.raises(DataError, match="exists already"):
        data.save(folder)
    data.events[:-1].write_parquet(folder / "events.parquet")
    with pytest.raises(DataError, match="changed since they were prepared"):
        Dataset.load(folder)
    (folder / "events.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match="is damaged"):
        Dataset.load(folder)
    facts = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(DataError, match="has format 99, newer than 3; upgrade llmrec"):
        Dataset.load(folder)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        Dataset.load(folder)


def test_repeats() -> None:
    assert not toy_films(length=8).repeats_are_normal
    assert toy_films(n_items=4, length=8).repeats_are_normal


def test_histories_of_chosen_users() -> None:
    data = Dataset.from_tables(EVENTS, items=ITEMS)
    assert list(data.histories) == [["a", "b"], ["a"]]
    chosen = Histories.from_events(data.events, users=["v", "nobody", "u"])
    assert chosen.user_ids == ("v", "nobody", "u")
    assert list(chosen) == [["a"], [], ["a", "b"]]
    untimed = data.events.drop("timestamp").reverse()
    assert list(Histories.from_events(untimed, users=["u", "v"])) == [["b", "a"], ["a"]]
