"""Numbers as people write them: the decimal mark from the cells or as named, else refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.data.readers.numerals import plain_numbers
from llmrec.errors import DataError

READ: dict[str, tuple[list[str | None], list[float | None]]] = {
    "decimal commas": (["1.234,50", "12,5", "7"], [1234.5, 12.5, 7]),
    "decimal points": (["1,234.50", "12.5", "-7"], [1234.5, 12.5, -7]),
    "signs of currencies": (["$9.99", "$1,200.00", " $3 "], [9.99, 1200, 3]),
    "after the number": (["9,99 €", "1.200,00 €", "-3 €"], [9.99, 1200, -3]),
    "codes of currencies": (["EUR 9,99", "USD 1200,00", None], [9.99, 1200, None]),
    "blanks between thousands": (["1 234,5", "1\u00a0234\u202f567,25", "3"], [1234.5, 1234567.25, 3]),
    "Swiss": (["1'234.50", "CHF 2’000", "3"], [1234.5, 2000, 3]),
    "Indian signs": (["₹1,200.5", "₹30"], [1200.5, 30]),
    "millions show the mark": (["1,234,567", "1,234"], [1234567, 1234]),
}


@pytest.mark.parametrize("case", READ)
def test_the_cells_show_the_decimal_mark(case: str) -> None:
    texts, numbers = READ[case]
    read = plain_numbers(pl.Series("price", texts, pl.String), label="log.csv")
    assert read.cast(pl.Float64).to_list() == numbers


UNCHANGED = (["1,234", "2,500"], ["1.5", "2,5", "1,234"], ["dear", "1,5"], ["1.5", "2"], ["2021-03-05"], ["1,2,3"])


@pytest.mark.parametrize("texts", UNCHANGED)
def test_others_stay_as_they_are(texts: list[str]) -> None:
    assert plain_numbers(pl.Series("price", texts), label="log.csv").to_list() == texts


@pytest.mark.parametrize(("decimal", "price"), [(",", 1.234), (".", 1234.0)])
def test_what_may_be_both_is_refused_until_told(
    tmp_path: Path, decimal: str, price: float, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text('user_id,item_id,price,fee\na,x,"1,234","0,500"\na,y,"2,500","0,250"\n')
    arguments = ["data", "prepare", str(log), "--out", str(tmp_path / "out")]
    assert run(arguments) == 2
    assert "--decimal" in capsys.readouterr().err
    assert run([*arguments, "--decimal", "x"]) == 2
    assert run([*arguments, "--decimal", decimal]) == 0
    events = Dataset.load(tmp_path / "out").events
    assert events["price"][0] == price
    assert events["fee"].dtype == (pl.Float64 if decimal == "," else pl.String)


@pytest.mark.parametrize(
    ("cells", "warned"),
    [
        (["15.000", "7.500", "120"], True),
        (["15.000", "7.500", "1.5"], False),
        (["0.500", "7.500"], False),
        (["15.000", "15.000"], False),  # one number only: nothing to go by
    ],
)
def test_points_that_may_stand_between_thousands_are_said(
    cells: list[str], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    column = pl.Series("preis", cells)
    assert plain_numbers(column, most=True, label="log.csv").to_list() == cells
    said = "log.csv: column preis: 15.000 is read as 15; if it is 15000, say --decimal , (decimal=',')"
    assert (said in caplog.messages) == warned


def test_points_between_thousands_are_read_as_told() -> None:
    column = pl.Series("preis", ["15.000", "1.500.000", "7", "7.500"])
    assert plain_numbers(column, decimal=",", most=True, label="log.csv").to_list() == [
        "15000",
        "1500000",
        "7",
        "7500",
    ]
    column = pl.Series("preis", ["15.000", "7.500"])
    assert plain_numbers(column, decimal=",", most=True, label="log.csv").to_list() == ["15000", "7500"]
    assert plain_numbers(column, decimal=".", most=True, label="log.csv").to_list() == ["15.000", "7.500"]
    mixed = pl.Series("preis", ["1.234", "2.5", "9.999"])
    assert plain_numbers(mixed, decimal=",", most=True, label="log.csv").to_list() == ["1.234", "2.5", "9.999"]
    latitude = pl.Series("lat", ["52.123", "48.999"])
    assert plain_numbers(latitude, decimal=",", label="log.csv").to_list() == ["52.123", "48.999"]


def test_ids_and_titles_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id;item_id;rating\n1.234;7,5;4,5\n1.235;7,5;3\n")
    (tmp_path / "items.csv").write_text("item_id;title;price\n7,5;Nr. 7;1.200,50\n")
    data = Dataset.from_files(tmp_path / "log.csv", items=tmp_path / "items.csv", decimal=",")
    assert data.events.select("user_id", "item_id", "rating").row(0) == ("1.234", "7,5", 4.5)
    assert data.catalog.table["price"].to_list() == [1200.5]


def test_only_a_point_or_a_comma(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\na,x\n")
    with pytest.raises(DataError, match=r"--decimal ;: write \. or ,"):
        Dataset.from_files(tmp_path / "log.csv", decimal=";")


@pytest.mark.parametrize("cell", ["--3", "+-3", "-€-3", "€--3"])
def test_two_signs_are_no_number(cell: str) -> None:
    column = pl.Series("price", ["4", cell])
    assert plain_numbers(column, label="log").to_list() == ["4", cell]
