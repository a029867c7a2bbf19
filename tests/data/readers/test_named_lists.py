"""Lists that are written in the cells of a catalog, and objects in lists: read as names."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers.named_lists import joined_lists

EVENTS = {"user_id": ["u", "u"], "item_id": ["1", "2"], "timestamp": [1_600_000_000, 1_600_000_060]}
ITEMS = {"item_id": ["1", "2"], "title": ["A", "B"]}
OBJECTS = [[{"id": 18, "name": "Drama"}, {"id": 5, "name": "War"}], []]


@pytest.mark.parametrize(
    "cells",
    [
        ["['Drama', 'War']", "[]"],
        ['["Drama", "War"]', "[]"],
        ["[{'id': 18, 'name': 'Drama'}, {'id': 5, 'name': 'War'}]", "[]"],
        [json.dumps(OBJECTS[0]), "[]"],
    ],
)
def test_lists_in_cells(cells: list[str]) -> None:
    data = Dataset.from_tables(EVENTS, items=ITEMS | {"genres": cells})
    assert data.catalog.table["genres"].to_list() == ["Drama, War", ""]
    (note,) = [step.note for step in data.steps if step.name == "lists in column genres"]
    assert note.endswith("are read as 'Drama, War'")


def test_objects_in_lists_of_lines_and_of_tables(tmp_path: Path) -> None:
    rows = [
        {"item_id": item, "title": title, "genres": genres}
        for item, title, genres in zip(*ITEMS.values(), OBJECTS, strict=True)
    ]
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pl.DataFrame(EVENTS).write_csv(tmp_path / "log.csv")
    lines = Dataset.from_files(tmp_path / "log.csv", items=path)
    assert lines.catalog.table["genres"].to_list() == ["Drama, War", ""]
    assert Dataset.from_tables(EVENTS, items=pl.DataFrame(rows)).catalog.table["genres"].to_list() == [
        "Drama, War",
        "",
    ]


@pytest.mark.parametrize(
    "cells", [["[a] book", "[b]"], ["[1, 2", "[3]"], ["[{'id': 1}]", "[]"], ["(1, 2)", "{3}"], ["", None]]
)
def test_other_text_stays(cells: list[str | None]) -> None:
    assert joined_lists(pl.Series("text", cells, dtype=pl.String)) is None


def test_blank_cells_are_null() -> None:
    lists = pl.Series("text", ["[1, [2, 3, 2]]", " ", None, "[None, 'x']"])
    assert joined_lists(lists).to_list() == ["1, 2, 3", None, None, "x"]  # type: ignore[union-attr]
