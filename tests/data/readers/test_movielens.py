"""MovieLens as GroupLens ships it: u.data, .dat files, folders of CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.data import Dataset
from llmrec.errors import DataError


def test_movielens_100k_and_1m_as_shipped(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[1] = flags[5] = "1"
    (tmp_path / "u.data").write_text("1\t2\t5\t881250949\n1\t3\t4\t881250950\n")
    films = f'2|Café (1995)|01-Jan-1995||http://x|{"|".join(flags)}\n3|B "quoted|||||{"|".join(["0"] * 18)}\n'
    (tmp_path / "u.item").write_bytes(films.encode("latin-1"))
    data = Dataset.from_files(tmp_path / "u.data", items=tmp_path / "u.item")
    assert data.catalog.table.to_dicts() == [
        {"item_id": "2", "title": "Café (1995)", "genres": "Action, Comedy"},
        {"item_id": "3", "title": 'B "quoted', "genres": ""},
    ]
    assert data.events["rating"].to_list() == [5.0, 4.0]
    assert Dataset.from_files(tmp_path).fingerprint == data.fingerprint
    (tmp_path / "ratings.dat").write_text("1::2::5::881250949\n1::3::4::881250950\n")
    (tmp_path / "movies.dat").write_bytes(
        "2::Café (1995)::Action|Comedy\n3::B: the end::Drama\n".encode("latin-1")
    )
    again = Dataset.from_files(tmp_path / "ratings.dat", items=tmp_path / "movies.dat")
    assert again.events.equals(data.events)
    assert again.catalog.titles == ["Café (1995)", "B: the end"]
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n")
    with pytest.raises(DataError, match=r"users\.dat: its first line has 5 cells"):
        Dataset.from_files(tmp_path / "users.dat")


def test_movielens_csv_folder(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,4.5,881250949\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n2,Film,Drama|War\n")
    (tmp_path / "README.txt").write_text("terms")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,2,fun,3\n")
    data = Dataset.from_files(tmp_path)
    assert (data.events.height, data.catalog.titles) == (1, ["Film"])
