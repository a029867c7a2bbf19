"""Folders of several logs: parts of one by their names or ids, or separate ones that somebody says are so."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.data.readers.log_parts import in_order
from llmrec.data.readers.part_names import are_parts, behaviors_of_names, part_name, without_ending
from llmrec.errors import DataError

ROWS = [("ann", "x", 10), ("bob", "y", 20), ("ann", "y", 30), ("bob", "x", 40)]
COLUMNS = ["user_id", "item_id", "timestamp"]


def log_of(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def two_files(folder: Path, first: str, second: str) -> Path:
    """Write a log in two files, which share their users and items."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in ((first, ROWS[:2]), (second, ROWS[2:])):
        table = log_of(rows)
        if name.endswith(".parquet"):
            table.write_parquet(folder / name)
        else:
            table.write_csv(folder / name)
    return folder


WHOLE = Dataset.from_tables(log_of(ROWS)).fingerprint


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2019-Oct.csv", "2019-Nov.csv"),
        ("january.csv", "february.csv"),
        ("Umsatz_März.csv", "Umsatz_Mai.csv"),
        ("août.csv", "décembre.csv"),
        ("log enero.csv", "log febrero.csv"),
        ("shop-2024q1.csv", "shop-2024-q2.csv"),
        ("train.csv", "test.csv"),
        ("transactions_train.csv", "transactions_valid.csv"),
        ("part-1.csv", "2.csv"),
        ("t_3f2504e0x1.csv", "t_9a0c0305e8.csv"),
        ("january.parquet", "february.parquet"),
    ],
)
def test_names_of_parts_make_one_log(first: str, second: str, tmp_path: Path) -> None:
    assert Dataset.from_files(two_files(tmp_path / "log", first, second)).fingerprint == WHOLE


def test_parts_of_a_log_without_times_follow_each_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for names in (("2019-Oct.csv", "2019-Nov.csv"), ("part-9.csv", "part-10.csv"), ("train.csv", "test.csv")):
        folder = tmp_path / names[0]
        folder.mkdir()
        for name, item in zip(names, ("x", "y"), strict=True):
            (folder / name).write_text(f"user_id,item_id\nann,{item}\n", encoding="utf-8")
        with caplog.at_level(logging.INFO):
            assert Dataset.from_files(folder).events["item_id"].to_list() == ["x", "y"]
        assert f"one log of 2 files: {', '.join(names)}" in caplog.text


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_that_say_behaviors_become_the_column(ending: str, tmp_path: Path) -> None:
    folder = two_files(tmp_path / "log", f"yoochoose-clicks.{ending}", f"yoochoose-buys.{ending}")
    data = Dataset.from_files(folder)
    assert data.events.sort("timestamp")["behavior"].to_list() == ["click", "click", "buy", "buy"]
    assert set(data.events["user_id"]) == {"ann", "bob"}


def test_what_was_sent_back_is_no_choice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = two_files(tmp_path / "log", "orders.csv", "returns.csv")
    with caplog.at_level(logging.INFO):
        data = Dataset.from_files(folder)
    assert data.positive_events.sort("timestamp").select("item_id", "behavior").rows() == [
        ("x", "order"),
        ("y", "order"),
    ]
    assert "orders.csv (behavior order), returns.csv (behavior return)" in caplog.text
    log_of(ROWS[2:]).with_columns(behavior=pl.lit("exchange")).write_csv(folder / "returns.csv")
    assert set(Dataset.from_files(folder).events["behavior"]) == {"order", "exchange"}


def test_logs_that_share_no_id_are_put_together_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "shops").mkdir()
    log_of([("ann", "x", 1), ("NA", "y", 1)]).write_csv(tmp_path / "shops" / "berlin.csv")
    log_of([("bob", "z", 1), ("NA", "w", 1)]).write_csv(tmp_path / "shops" / "paris.csv")
    data = Dataset.from_files(tmp_path / "shops")
    assert data.events.select("user_id", "item_id").rows() == [("ann", "x"), ("bob", "z")]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_shared_ids_are_refused_until_it_is_said_what_they_are(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = two_files(tmp_path / "shops", f"orders_berlin.{ending}", f"orders_paris.{ending}")
    words = ["data", "prepare", str(folder), "--out", str(tmp_path / "out")]
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: shops: ") and said.count("\n") == 1
    for part in ("user ids (2) and item ids (2) in common", "user_id 'ann'", "--files one", "--files separate"):
        assert part in said
    assert "orders_berlin:ann" in said
    assert run([*words, "--files", "both"]) == 2
    assert "--files both: write one of auto, one, separate" in capsys.readouterr().err
    assert run([*words, "--files", "one"]) == 0
    assert Dataset.load(tmp_path / "out").fingerprint == WHOLE
    separate = Dataset.from_files(folder, files="separate")
    assert separate.n_users == 4 and set(separate.events["source"]) == {"orders_berlin", "orders_paris"}


def test_months_may_be_separate_logs_where_it_is_said(tmp_path: Path) -> None:
    folder = two_files(tmp_path / "log", "january.csv", "february.csv")
    assert Dataset.from_files(folder, files="separate").n_users == 4


def test_separate_logs_need_a_catalog_of_their_ids(tmp_path: Path) -> None:
    folder = two_files(tmp_path / "shops", "berlin.csv", "paris.csv")
    items = pl.DataFrame({"item_id": ["x", "y"], "title": ["X", "Y"]})
    items.write_csv(folder / "items.csv")
    with pytest.raises(
        DataError, match=r"items\.csv: --files separate writes item ids as 'berlin:ID', and no item"
    ):
        Dataset.from_files(folder, files="separate")
    assert Dataset.from_files(folder, files="one").catalog.titles == ["X", "Y"]
    ids = [f"{shop}:{item}" for shop in ("berlin", "paris") for item in ("x", "y")]
    named = tmp_path / "named.csv"
    pl.DataFrame({"item_id": ids, "title": list("abcd")}).write_csv(named)
    assert Dataset.from_files(folder, items=named, files="separate").catalog.titles == list("abcd")


def test_a_catalog_that_is_named_is_no_part_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = two_files(tmp_path / "log", "january.csv", "february.csv")
    stock, people = folder / "march.csv", folder / "april.csv"
    pl.DataFrame({"item_id": ["x", "y"], "title": ["X", "Y"]}).write_csv(stock)
    pl.DataFrame({"item_id": ["x", "y"], "title": ["P", "Q"]}).write_csv(people)
    assert Dataset.from_files(folder, items=stock).catalog.titles == ["X", "Y"]
    assert "not read: april.csv\n" in caplog.text


def test_several_logs_by_their_names(tmp_path: Path) -> None:
    folder = two_files(tmp_path / "log", "events.csv", "ratings.csv")
    with pytest.raises(
        DataError, match=r"holds 2 event logs, events\.csv and ratings\.csv; name one file, or say"
    ):
        Dataset.from_files(folder)
    assert Dataset.from_files(folder, files="one").fingerprint == WHOLE


def test_readable_files_of_subfolders_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log_of(ROWS).write_csv(tmp_path / "log.csv")
    for name in ("2024", ".git", "__MACOSX"):
        (tmp_path / name).mkdir()
        log_of(ROWS).write_csv(tmp_path / name / "log.csv")
    log_of(ROWS).write_csv(tmp_path / "._log.csv")
    assert Dataset.from_files(tmp_path).fingerprint == WHOLE
    assert f"{tmp_path}: not read: 2024/log.csv\n" in caplog.text
    (tmp_path / "log.csv").unlink()
    with pytest.raises(DataError, match=r"without an event log .* name the file, such as 2024/log\.csv$"):
        Dataset.from_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "rest", "kind"),
    [
        ("add_to_cart.csv", "", "addtocart"),
        ("Stornierungen 2024.csv", "", "stornierung"),
        ("amazon.jsonl.gz", "amazon", ""),
        ("books_a.csv", "books_a", ""),
        ("order_details.csv", "details", "order"),
    ],
)
def test_what_a_name_says(name: str, rest: str, kind: str) -> None:
    read = part_name(Path(name))
    assert (read.rest, read.kind) == (rest, kind)


@pytest.mark.parametrize(
    "names",
    [
        ("ml.train.inter", "ml.valid.inter", "ml.test.inter"),
        ("part.0.csv.gz", "part.2.csv.gz", "part.10.csv.gz"),
        ("log.2019.csv", "log.2020.csv"),
    ],
)
def test_parts_between_points_say_their_order(names: tuple[str, ...]) -> None:
    paths = [Path(name) for name in names]
    assert are_parts(paths)
    assert in_order(reversed(paths)) == paths
    assert len({without_ending(path) for path in paths}) == len(paths)


def test_one_behavior_in_all_names_says_nothing() -> None:
    assert behaviors_of_names([Path("orders_2023.csv"), Path("orders_2024.csv")]) == {}
    assert behaviors_of_names([Path("returns.csv")]) == {}
    assert behaviors_of_names([Path("shop.csv"), Path("shop_refunds.csv")]) == {Path("shop_refunds.csv"): "refund"}
