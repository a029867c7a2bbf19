"""Lists of items in a row: events in their order or at their time, or refused with the option that reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"user_id": "a", "item_id": ["x", "y", "x"]},
    {"user_id": "b", "item_id": ["z"]},
    {"user_id": "c", "item_id": []},
]
ORDER = [("a", "x"), ("a", "y"), ("a", "x"), ("b", "z")]


def events(data: Dataset) -> list[tuple[str, str]]:
    return data.events.select("user_id", "item_id").rows()


def json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_lists_of_ids_are_events_in_their_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="llmrec")
    pl.DataFrame(ROWS).write_parquet(tmp_path / "log.parquet")
    numbered = [{"user_id": row["user_id"], "item_id": [ord(item) for item in row["item_id"]]} for row in ROWS]
    assert events(Dataset.from_files(json_lines(tmp_path / "log.jsonl", ROWS))) == ORDER
    assert events(Dataset.from_files(tmp_path / "log.parquet")) == ORDER
    assert events(Dataset.from_tables(pl.DataFrame(ROWS))) == ORDER
    assert len(events(Dataset.from_tables(pl.DataFrame(numbered)))) == 4
    assert "2 lists of column item_id are 4 events, in the order of each list" in caplog.text


def test_lists_of_equal_length_belong_to_the_items(tmp_path: Path) -> None:
    rows = [
        {"user_id": "a", "item_id": ["x", "y"], "timestamp": [1_600_000_100, 1_600_000_000], "tags": ["one"]},
        {"user_id": "b", "item_id": ["y"], "timestamp": [1_600_000_200], "tags": ["two", "three"]},
    ]
    data = Dataset.from_files(json_lines(tmp_path / "log.jsonl", rows))
    assert events(data) == [("a", "y"), ("a", "x"), ("b", "y")]
    assert data.events["timestamp"].to_list() == [1_600_000_000, 1_600_000_100, 1_600_000_200]


def test_a_basket_is_of_one_time_and_a_history_has_none(tmp_path: Path) -> None:
    rows = [
        {"user_id": "a", "basket": ["x", "y"], "timestamp": 1_600_000_000},
        {"user_id": "a", "basket": ["z"], "timestamp": 1_600_000_100},
    ]
    path = json_lines(tmp_path / "log.jsonl", rows)
    with pytest.raises(DataError, match=r"column 'basket' holds lists.*--explode basket"):
        Dataset.from_files(path)
    data = Dataset.from_files(path, explode="basket")
    assert data.events["timestamp"].to_list() == [1_600_000_000, 1_600_000_000, 1_600_000_100]
    histories = [
        {"user_id": row["user_id"], "history": row["basket"], "timestamp": row["timestamp"]} for row in rows
    ]
    data = Dataset.from_files(json_lines(path, histories[:1]), explode="history")
    assert data.order_only
    with pytest.raises(DataError, match="several histories of one user"):
        Dataset.from_files(json_lines(path, histories), explode="history")


TEXT = {
    "codes between blanks": "user_id\titem_id\na\tN1 N22 N1\nb\tN3\n",
    "numbers between blanks": "user_id\titem_id\na\t10 22 10\nb\t3\n",
    "JSON in CSV": 'user_id,item_id\na,"[""x"", ""y""]"\nb,"[""x""]"\n',
    "Python in CSV": "user_id;item_id\na;['x', 'y']\nb;['z']\n",
    "another column": "user_id\titem_id_list\titem_id\na\tN1 N2 N3\tN4\n",
}


@pytest.mark.parametrize("case", TEXT)
def test_text_that_looks_like_lists_is_refused_or_read(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(TEXT[case])
    column = "item_id_list" if case == "another column" else "item_id"
    arguments = ["data", "prepare", str(log), "--out", str(tmp_path / "out")]
    assert run(arguments) == 2
    assert f"--explode {column}" in capsys.readouterr().err
    assert run([*arguments, "--explode", column]) == 0
    read = events(Dataset.load(tmp_path / "out"))
    assert len(read) == (3 if "CSV" in case else 4)
    assert not any(" " in item or "[" in item for _, item in read)
    assert run([*arguments[:-1], str(tmp_path / "as_text"), "--explode", "none"]) == 0


def test_ids_that_are_titles_are_no_lists(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id\na,Toy Story 2\na,Se7en\nb,12 Monkeys\n")
    assert len(events(Dataset.from_files(log))) == 3


def test_a_history_and_the_item_after_it(tmp_path: Path) -> None:
    log = tmp_path / "log.inter"
    log.write_text("session_id:token\titem_id_list:token_seq\titem_id:token\n1\t8 7\t3\n2\t7\t9\n2\t7 9\t8\n")
    data = Dataset.from_files(log, explode="item_id_list", columns={"user_id": "session_id"})
    assert events(data) == [("1", "8"), ("1", "7"), ("1", "3"), ("2", "7"), ("2", "9"), ("2", "8")]


def test_impressions_that_were_not_clicked_are_no_events(tmp_path: Path) -> None:
    log = tmp_path / "behaviors.tsv"
    log.write_text("1\tU1\t1600000000\tN5 N6\tN1-0 N2-1\n2\tU2\t1600000100\tN5\tN3-1\n")
    header = ["impression_id", "user_id", "timestamp", "history", "impressions"]
    with pytest.raises(DataError, match="column 'history' holds lists"):
        Dataset.from_files(log, header=header)
    assert events(Dataset.from_files(log, header=header, explode="impressions")) == [("U1", "N2"), ("U2", "N3")]


def test_objects_in_a_list_are_items_with_their_fields(tmp_path: Path) -> None:
    items = [
        {"item_id": "a", "item_name": "Cup", "price": 3.5},
        {"item_id": "b", "item_name": "Mug", "price": 4.0},
    ]
    rows = [
        {"user_id": "u", "timestamp": 1_600_000_000, "price": 7.5, "items": items},
        {"user_id": "v", "timestamp": 1_600_000_100, "price": 3.5, "items": items[:1]},
        {"user_id": "v", "timestamp": 1_600_000_200, "items": []},
    ]
    path = json_lines(tmp_path / "ga.jsonl", rows)
    pl.DataFrame(rows[:2]).write_parquet(tmp_path / "ga.parquet")
    for file in (path, tmp_path / "ga.parquet"):
        with pytest.raises(DataError, match=r"column 'items' holds lists.*--explode items"):
            Dataset.from_files(file)
        data = Dataset.from_files(file, explode="items")
        assert events(data) == [("u", "a"), ("u", "b"), ("v", "a")]
        assert data.events["price"].to_list() == [3.5, 4.0, 3.5]
        assert data.catalog.table["title"].to_list() == ["Cup", "Mug"]


def test_ids_that_are_no_text_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["a", "b"], "item_id": [b"x", b"y"]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=r"log.parquet: column 'item_id' holds bytes, such as"):
        Dataset.from_files(tmp_path / "log.parquet")


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--explode cart: log\.jsonl has no such column; it has user_id, item_id"):
        Dataset.from_files(json_lines(tmp_path / "log.jsonl", ROWS), explode="cart")


NESTED: list[dict[str, Any]] = [
    {"user_id": "a", "item_id": [["x", "y"], ["z"]]},
    {"user_id": "b", "item_id": [["z"], ["y", "x"]]},
]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize("name", ["item_id", "item_id_list"])
def test_lists_of_lists_are_baskets_in_their_order(form: str, name: str, tmp_path: Path) -> None:
    rows = [{"user_id": row["user_id"], name: row["item_id"]} for row in NESTED]
    path = tmp_path / f"log.{form}"
    if form == "jsonl":
        json_lines(path, rows)
    elif form == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        text = [f"{row['user_id']}\t{json.dumps(row[name])}\n" for row in rows]
        path.write_text(f"user_id\t{name}\n" + "".join(text))
    data = Dataset.from_files(path, explode=name)
    assert data.order_only
    assert data.events.select("user_id", "item_id", "timestamp").rows() == [
        *(("a", "x", 0), ("a", "y", 0), ("a", "z", 1)),
        *(("b", "z", 0), ("b", "y", 1), ("b", "x", 1)),
    ]


def test_lists_of_lists_beside_other_columns_are_refused(tmp_path: Path) -> None:
    rows = [row | {"timestamp": 1_600_000_000} for row in NESTED]
    path = json_lines(tmp_path / "log.jsonl", rows)
    with pytest.raises(DataError, match=r"lists of lists, such as \[\['x', 'y'\].*, or leave out timestamp"):
        Dataset.from_files(path)
    deeper = pl.DataFrame({"user_id": ["a"], "item_id": [[[["x"]]]]})
    with pytest.raises(DataError, match="lists of lists"):
        Dataset.from_tables(deeper)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_lists_of_lists_that_describe_items_are_one_list(form: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,a\nu,b\n")
    rows = [
        {"item_id": "a", "title": "A", "categories": [["Home", "Lamps"], ["Home", "Gifts"]]},
        {"item_id": "b", "title": "B", "categories": [["Toys"]]},
    ]
    path = tmp_path / f"items.{form}"
    if form == "jsonl":
        json_lines(path, rows)
    else:
        pl.DataFrame(rows).write_parquet(path)
    data = Dataset.from_files(tmp_path / "log.csv", items=path)
    assert data.catalog.table["genres"].to_list() == ["Home, Lamps, Gifts", "Toys"]


def test_a_query_s_lists_are_exploded(tmp_path: Path) -> None:
    rows = [{"user_id": "a", "skus": ["x", "y"], "timestamp": 1_600_000_000}]
    pl.DataFrame(rows).write_parquet(tmp_path / "log.parquet")
    query, connection = f"SELECT * FROM '{tmp_path}/log.parquet'", "duckdb://"
    with pytest.raises(DataError, match="--explode skus"):
        Dataset.from_sql(query, connection=connection)
    assert events(Dataset.from_sql(query, connection=connection, explode="skus")) == [("a", "x"), ("a", "y")]
    arguments = ["data", "prepare", query, "--sql", connection, "--out", str(tmp_path / "out")]
    assert run([*arguments, "--delimiter", ";"]) == 2
    assert run([*arguments, "--explode", "skus"]) == 0


SEVERAL = r"column 'user_id' holds lists, such as .* an event is one user's"


def test_several_users_in_a_cell_are_refused(tmp_path: Path) -> None:
    rows = [{"user_id": ["a", "b"], "item_id": "x"}]
    bracketed = pl.DataFrame({"user_id": ["['a', 'b']", "['c']"], "item_id": ["x", "y"]})
    bracketed.write_csv(tmp_path / "log.csv")
    with pytest.raises(DataError, match=SEVERAL):
        Dataset.from_files(json_lines(tmp_path / "log.jsonl", rows))
    with pytest.raises(DataError, match=SEVERAL):
        Dataset.from_tables(pl.DataFrame(rows))
    with pytest.raises(DataError, match=SEVERAL):
        Dataset.from_files(tmp_path / "log.csv")
    with pytest.raises(DataError, match=SEVERAL):
        Dataset.from_tables({"user_id": [["a", "b"]], "basket": [["x"]]}, explode="basket")


def test_lists_of_users_as_long_as_those_of_items_are_columns(tmp_path: Path) -> None:
    path = json_lines(tmp_path / "log.json", [{"user_id": ["a", "b"], "item_id": ["x", "y"]}])
    assert events(Dataset.from_files(path)) == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_lists_of_times_are_those_of_the_items(form: str, tmp_path: Path) -> None:
    rows = [{"user_id": "a", "item_ids": ["x", "y"], "timestamps": [1_600_000_009, 1_600_000_000]}]
    path = tmp_path / f"log.{form}"
    if form == "jsonl":
        json_lines(path, rows)
    else:
        pl.DataFrame(rows).write_parquet(path)
    assert events(Dataset.from_files(path)) == [("a", "y"), ("a", "x")]
    renamed = [{"seen_at" if name == "timestamps" else name: value for name, value in rows[0].items()}]
    with pytest.raises(DataError, match=r"'seen_at' \(1600000009\) holds times"):
        Dataset.from_files(json_lines(tmp_path / "other.jsonl", renamed))


def steps_of(rows: Sequence[Mapping[str, object]], **options: str) -> list[tuple[str, int, int, int]]:
    """Return what each step of lists saw, removed and added."""
    data = Dataset.from_tables(pl.DataFrame(rows), **options)  # type: ignore[arg-type]
    counts = [(step.name, step.rows_in, step.removed, step.added) for step in data.steps]
    return [step for step in counts if step[0].startswith(("no item", "start of", "item shown", "lists of"))]


def test_rows_and_items_that_are_left_out_are_steps() -> None:
    empty = ("no item in its list of column item_id", 3, 1, 0)
    assert steps_of(ROWS) == [empty, ("lists of items", 2, 0, 2)]
    growing = [{"user_id": "u", "history": "a1 a2"}, {"user_id": "u", "history": "a1 a2 a3"}]
    assert steps_of([*growing, {"user_id": "v", "history": ""}], explode="history") == [
        ("no item in its list of column history", 3, 1, 0),
        ("start of a longer history of its user", 2, 1, 0),
        ("lists of items", 1, 0, 2),
    ]
    shown = [{"user_id": "u", "impressions": "N1-0 N2-1 N3-0"}, {"user_id": "v", "impressions": "N1-1"}]
    assert steps_of(shown, explode="impressions") == [
        ("no item in its list of column impressions", 2, 0, 0),
        ("lists of items", 2, 0, 2),
        ("item shown, not clicked (-0)", 4, 2, 0),
    ]


def test_histories_of_nobody_are_not_one_history() -> None:
    rows = [{"user_id": user, "history": items} for user, items in (("", "a b"), ("", "c d"), (None, "e f"))]
    data = Dataset.from_tables(pl.DataFrame([*rows, {"user_id": "u", "history": "a c"}]), explode="history")
    assert events(data) == [("u", "a"), ("u", "c")]
