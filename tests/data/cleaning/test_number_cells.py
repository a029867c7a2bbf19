"""A cell that is no number is counted, said and read as blank; what needs its column refuses it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.config import Recipe
from llmrec.data import Dataset
from llmrec.data.cleaning.number_cells import read_numbers
from llmrec.data.responses import TaskSet
from llmrec.errors import DataError
from llmrec.models.responses.fields import EventFields

LOG = (
    "user_id,item_id,timestamp,rating,price,quantity\n"
    "u,a,1600000000,4,9.99,1\n"
    "u,b,1600000100,5,on request,2\n"
    "v,a,1600000200,3,inf,1\n"
    "v,b,1600000300,good,20,1\n"
    "v,c,1600000400,2,7.25,\n"
    "v,d,1600000500,,1,3\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (["4", "NA", " ", "2.5"], [4.0, None, None, 2.5], ""),
        (["4", "five", "3"], [4.0, None, 3.0], "1 of 3 cells are no numbers, such as 'five' in data row 2: "),
        ([1.0, float("inf"), float("nan")], [1.0, None, None], "1 of 2 cells are no numbers, such as 'inf' in "),
        (["1e999", "2"], [None, 2.0], "1 of 2 cells are no numbers, such as '1e999' in data row 1: read as blank"),
    ],
)
def test_what_is_no_number_is_blank(cells: list[object], numbers: list[float | None], said: str) -> None:
    cleaned = read_numbers(pl.Series("rating", cells), label="log")
    assert cleaned.column.to_list() == numbers
    assert cleaned.note.startswith(said)
    assert bool(cleaned.note) == bool(said)


def test_a_bad_cell_blocks_no_log_and_is_said(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "prepare", str(log), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "price: no numbers: 2 of 6 cells are no numbers, such as 'on request' in data row 2: read as" in printed
    assert "rating: no numbers: 1 of 5 cells are no numbers, such as 'good' in data row 4: read as" in printed
    events = Dataset.load(tmp_path / "out").events
    assert events.height == 6
    assert events["price"].to_list() == [9.99, None, None, 20.0, 7.25, 1.0]


@pytest.mark.parametrize(
    "options",
    [
        {"drop_where": "price > 5"},
        {"drop_where": "rating < 3 AND quantity > 0"},
        {"drop_where": pl.col("price") > 5},
        {"drop_impossible": True},
        {"scale": ["price"]},
    ],
)
def test_filters_that_need_the_column_refuse_it(log: Path, options: dict[str, object]) -> None:
    with pytest.raises(
        DataError, match=r"log\.csv: --.* needs the column (price|rating), and \d of \d cells are no"
    ):
        Dataset.from_files(log, **options)  # type: ignore[arg-type]
    assert Dataset.from_files(log, blank_bad_numbers=True, **options).events.height > 0  # type: ignore[arg-type]


def test_filters_on_other_columns_do_not(log: Path) -> None:
    assert Dataset.from_files(log, drop_where="quantity > 2", scale=["quantity"]).events.height == 5


def test_tasks_and_fields_that_need_the_column_refuse_it(log: Path) -> None:
    data = Dataset.from_files(log)
    for task in ("rating", "value"):
        with pytest.raises(DataError, match=f"the task {task} needs the column"):
            TaskSet.fit(data, [task])
    for change in ("history.events=[price]", "responses.rank_by=value"):
        recipe = Recipe.load("gru-events", set=[change])
        with pytest.raises(DataError, match=f"{change.replace('[', '').rstrip(']')} needs the column price"):
            EventFields.fit(data, recipe)
    assert TaskSet.fit(data, ["gap"]).names == ["gap"]
    accepted = Dataset.from_files(log, blank_bad_numbers=True)
    assert TaskSet.fit(accepted, ["rating", "value"]).names == ["rating", "value"]


def test_a_column_of_words_is_text(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,rating\na,x,PG-13\na,y,R\nb,x,7\n")
    data = Dataset.from_files(log, drop_where="rating_text = 'R'")
    assert data.events["rating_text"].to_list() == ["PG-13", "7"]
    assert "rating" not in data.events.columns


def test_decimal_commas_stay_numbers_beside_a_word(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id;item_id;price\na;x;1,50\na;y;free\nb;x;1.200,75\n")
    data = Dataset.from_files(log)
    assert data.events["price"].to_list() == [1.5, None, 1200.75]
    log.write_text("user_id;item_id;price\na;x;1,500\na;y;free\nb;x;2,750\n")
    with pytest.raises(DataError, match="--decimal"):
        Dataset.from_files(log)
