"""Types are settled by what all cells are, and conditions compare columns as what they are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.steps import note as note_of

from llmrec.data import Dataset
from llmrec.data.cleaning.column_types import settle_type
from llmrec.errors import DataError

LOG = (
    "user_id,item_id,timestamp,cost,clicks,sponsored,land,shop_code\n"
    "u,a,1600000000,9.99,1,true,UK,007\n"
    "u,b,1600000100,100.00,20,False,DE,008\n"
    "v,a,1600000200,1200,3,TRUE,UK,009\n"
    "v,b,1600000300,,4,false,,010\n"
)
JSON = (
    '{"user_id": 1, "item_id": 1, "timestamp": 1600000000, "cost": 9.5, "sponsored": true}\n'
    '{"user_id": 1, "item_id": 2, "timestamp": 1600000100, "cost": 100, "sponsored": false}\n'
)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", None], pl.Int64, [1, -2, None]),
        ([" 1", "2 "], pl.Int64, [1, 2]),
        (["1", "2.50", "1e3", "NA", ""], pl.Float64, [1.0, 2.5, 1000.0, None, None]),
        (["0.5", "nan"], pl.Float64, [0.5, None]),
        (["True", "false", None], pl.Boolean, [True, False, None]),
        (["007", "8"], pl.String, ["007", "8"]),
        (["12345678901234567890", "1"], pl.String, ["12345678901234567890", "1"]),
        (["1.5", "inf"], pl.String, ["1.5", "inf"]),
        (["1", "two"], pl.String, ["1", "two"]),
        (["NA", None], pl.String, ["NA", None]),
        ([str(n) for n in range(2000)] + ["x"], pl.String, [str(n) for n in range(2000)] + ["x"]),
    ],
)
def test_a_column_is_what_all_its_cells_are(cells: list[str], kind: pl.DataType, values: list[object]) -> None:
    typed = settle_type(pl.Series("c", cells, dtype=pl.String))
    assert typed.dtype == kind
    assert typed.to_list() == values


@pytest.mark.parametrize("name", ["order_id", "orderId", "pid", "Store ID", "zip", "product_code", "session_id"])
def test_ids_and_codes_stay_text(name: str) -> None:
    assert settle_type(pl.Series(name, ["1", "2"])).dtype == pl.String
    assert settle_type(pl.Series("width", ["1", "2"])).dtype == pl.Int64


@pytest.mark.parametrize(
    ("condition", "items"),
    [
        ("cost > 50", ["a", "b"]),
        ("cost > 50.0", ["a", "b"]),
        ("cost <= 1e2", ["a", "b"]),
        ("clicks >= 4", ["a", "a"]),
        ("sponsored = true", ["b", "b"]),
        ("NOT sponsored", ["a", "a"]),
        ("land = 'UK' AND cost BETWEEN 5 AND 10.5", ["b", "a", "b"]),
        ("LEFT(land, 1) = 'D'", ["a", "a", "b"]),
        ("clicks IN (1, 3)", ["b", "b"]),
        ("shop_code = '007'", ["b", "a", "b"]),
    ],
)
def test_conditions_compare_what_the_columns_are(tmp_path: Path, condition: str, items: list[str]) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    data = Dataset.from_csv(log, drop_where=[condition])
    assert data.events["item_id"].to_list() == items
    note = note_of(data, "columns read as")
    assert note == "cost decimal, clicks whole number, sponsored true/false, land text, shop_code text"


def test_json_lines_are_typed_alike(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(JSON)
    data = Dataset.from_files(log)
    assert data.events.schema["cost"] == pl.Float64
    assert data.events.schema["sponsored"] == pl.Boolean
    assert Dataset.from_files(log, drop_where="cost > 9.75").events["item_id"].to_list() == ["1"]


@pytest.mark.parametrize(
    "condition", ["land > 5", "land > 5.0", "land = 5", "land IN (1, 2)", "cost > 1 AND land < 2.5"]
)
def test_text_is_not_compared_with_numbers(tmp_path: Path, condition: str) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    with pytest.raises(DataError, match=r"log\.csv: .*land is text \('UK', say\), not a number"):
        Dataset.from_csv(log, drop_where=condition)


def test_numbers_are_not_compared_with_text(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    with pytest.raises(
        DataError, match=r"cost is a column of numbers \(decimal\); write the number without quotes"
    ):
        Dataset.from_csv(log, drop_where="cost > '50'")


def test_a_title_of_digits_stays_a_title() -> None:
    log = {"user_id": ["u", "v"], "item_id": ["a", "b"], "title": ["1984", "0451"], "year": ["1949", "1953"]}
    assert Dataset.from_tables(log).catalog.titles == ["1984", "0451"]


def test_text_is_not_compared_with_true_and_false() -> None:
    rows = {"user_id": ["u", "v"], "item_id": ["a", "b"], "active": ["T", "F"], "new": ["true", "False"]}
    with pytest.raises(DataError, match=r"active is text \('T', say\), not true/false; compare it with text in"):
        Dataset.from_tables(rows, drop_where="active = false")
    with pytest.raises(DataError, match="new is true/false; write true or false without quotes"):
        Dataset.from_tables(rows, drop_where="new = 'True'")
    assert Dataset.from_tables(rows, drop_where="new = true").events["item_id"].to_list() == ["b"]
    assert Dataset.from_tables(rows, drop_where="new AND active = 'T'").events["item_id"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("years", "read"),
    [
        (["1999.0", None, "2001.0"], ["1999", None, "2001"]),
        (["1999", "2001.0"], ["1999", "2001"]),
        (["c. 1999", "1999.5"], ["c. 1999", "1999.5"]),
        ([1999.0, None, float("nan")], [1999, None, None]),
        ([1999.5, 2001.0], [1999.5, 2001.0]),
    ],
)
def test_years_are_whole_also_where_some_are_missing(years: list[object], read: list[object]) -> None:
    n = len(years)
    log = pl.DataFrame({"user_id": "u", "item_id": [f"i{k}" for k in range(n)], "timestamp": range(n)})
    catalog = pl.DataFrame({"item_id": log["item_id"], "title": log["item_id"], "year": years}, strict=False)
    data = Dataset.from_tables(log, items=catalog)
    assert data.catalog.table["year"].to_list() == read
    without = Dataset.from_tables(log.with_columns(catalog["year"]))
    assert without.catalog.table["year"].to_list() == read
