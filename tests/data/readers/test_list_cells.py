"""Cells that hold lists as programs write them: read by --explode in their order, never one item unasked."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.readers.list_cells import list_cells, look_like_lists
from llmrec.errors import DataError

FORMS: dict[str, tuple[list[str | None], list[list[str | None] | None]]] = {
    "json": (['["a1", "b, c"]', '["d"]'], [["a1", "b, c"], ["d"]]),
    "python": (["['a', \"b'c\"]", "['d']"], [["a", "b'c"], ["d"]]),
    "tuples": (["('b', 'a')", "('c',)"], [["b", "a"], ["c"]]),
    "sets in their order": (["{'b', 'a', 'b'}", "{3}"], [["b", "a", "b"], ["3"]]),
    "postgres": (["{a,b}", '{"c, d",e}'], [["a", "b"], ["c, d", "e"]]),
    "numpy": (["[1 2\n 3]", "[4]"], [["1", "2", "3"], ["4"]]),
    "numpy of text": (["['a' 'b c']", '["d" "e"]'], [["a", "b c"], ["d", "e"]]),
    "some of them": (['["a", "b"]', "c"], [["a", "b"], ["c"]]),
    "null and missing": (['["a", null]', None], [["a", None], None]),
    "pipes": (["a|b", "c"], [["a", "b"], ["c"]]),
    "semicolons": (["12; 13", "14"], [["12", "13"], ["14"]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_are_read_in_their_order(form: str) -> None:
    cells, expected = FORMS[form]
    assert list_cells(pl.Series("items", cells), "log").to_list() == expected


@pytest.mark.parametrize(
    "cell",
    [
        *("[1 2 ... 8 9]", "['a' 'b', 'c']", '{"a": 1}', "[a b]", "[1, {'a': 2}]", "(f(x), 1)", "[REC]"),
        "[" * 150 + "]" * 150,
    ],
)
def test_what_is_no_list_is_refused(cell: str) -> None:
    with pytest.raises(DataError, match="log: items in data row 2 is no list: "):
        list_cells(pl.Series("items", ['["a"]', cell]), "log")


@pytest.mark.parametrize(
    "cells",
    [
        *[[*FORMS[form][0], "c"] for form in ("json", "python", "some of them")],
        *[FORMS[form][0] for form in ("tuples", "sets in their order", "postgres")],
        ["a|b", "c", "c|d|e"],
        ["x,y", "y, x", "y"],
        ["12,13", "14", "15,16,17"],
    ],
)
def test_ids_that_look_like_lists_are_refused_until_it_is_said(cells: list[str]) -> None:
    assert look_like_lists(pl.Series(cells))
    table = {"user_id": ["u"] * len(cells), "item_id": cells}
    with pytest.raises(DataError, match=r"column 'item_id' holds lists.*--explode none"):
        Dataset.from_tables(table)
    assert Dataset.from_tables(table, explode="none").events["item_id"].to_list() == cells


@pytest.mark.parametrize(
    "cells",
    [
        ["RED|S", "RED|M", "BLUE|S"],
        ["Crosby, Stills & Nash", "Stills", "Crosby"],
        ["[REC]", "[REC] 2", "Up"],
        ["(500) Days of Summer", "Up"],
        ["A-1", "B-2"],
        ["x|y", *(f"i{n}" for n in range(20)), "x"],
    ],
)
def test_ids_with_marks_are_ids(cells: list[str]) -> None:
    assert not look_like_lists(pl.Series(cells))
