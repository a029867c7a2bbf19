"""The column that is named for times holds none, or days alone: another column that does is not passed over."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.steps import note

from llmrec.data import Dataset
from llmrec.errors import DataError

PLAYED = ["2024-01-05 10:00", "2024-01-03 10:00", "2024-01-04 10:00", "2024-01-06 10:00"]
TEN_ON_THE_3RD = 1_704_276_000


def log(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * 4, "track_id": list("abcd")} | columns)


@pytest.mark.parametrize(
    "songs",
    [[180, 120, 240, 200], [185_000, 200_000, 120_000, 240_000], ["3:45", "2:10", "4:01", "3:10"], list("wxyz")],
)
def test_lengths_of_songs_are_no_times_beside_real_ones(songs: list[object]) -> None:
    table = log(time=songs, played_at=PLAYED)
    with pytest.raises(DataError, match=r"'time' \(.*\) is named for the times .* --column timestamp=played_at"):
        Dataset.from_tables(table)
    named = Dataset.from_tables(table, columns={"timestamp": "played_at"})
    assert named.events["item_id"].to_list() == list("bcad")
    assert "time" in named.events.columns


def test_the_order_stays_where_somebody_says_so() -> None:
    table = log(time=[18, 12, 24, 20], played_at=PLAYED)
    for options in ({"columns": {"timestamp": "time"}}, {"time_format": "order"}):
        data = Dataset.from_tables(table, **options)
        assert data.events["item_id"].to_list() == list("badc")
    assert Dataset.from_tables(log(time=[18, 12, 24, 20])).order_only


def test_a_log_in_several_files_says_its_own_name(tmp_path: Path) -> None:
    table = log(time=[180, 120, 240, 200], played_at=PLAYED)
    table.write_csv(tmp_path / "plays-1.csv")
    table.with_columns(user_id=pl.lit("v"), played_at=pl.Series(PLAYED[::-1])).write_csv(tmp_path / "plays-2.csv")
    with pytest.raises(DataError, match=r"'time' \(180\) is named for the times of events"):
        Dataset.from_files(tmp_path)
    data = Dataset.from_files(tmp_path, columns={"timestamp": "played_at"})
    assert data.events["timestamp"][0] == TEN_ON_THE_3RD
    with pytest.raises(DataError, match=r"no table has a column 'heard_at'; .* has user_id, track_id, time"):
        Dataset.from_files(tmp_path, columns={"timestamp": "heard_at"})


def test_times_of_items_and_people_do_not_replace_an_order() -> None:
    people = {"date_of_birth": PLAYED}
    assert Dataset.from_tables(log(time=[1, 2, 3, 4], **people)).order_only
    films = pl.DataFrame({"user_id": list("uuvv"), "item_id": list("abab"), "time": [1, 2, 1, 2]})
    assert Dataset.from_tables(films.with_columns(out=pl.Series(PLAYED[:2] * 2))).order_only


def test_an_order_beside_year_month_and_day_is_refused() -> None:
    table = log(time=[1, 2, 3, 4], year=[2024] * 4, month=[1] * 4, day=[5, 3, 4, 6])
    with pytest.raises(DataError, match="but year, month, day does; rename 'time'"):
        Dataset.from_tables(table)


def test_days_get_the_time_of_day_of_a_column_of_the_same_days() -> None:
    days = [time[:10] for time in PLAYED]
    data = Dataset.from_tables(log(date=days, heard=PLAYED))
    assert data.events["timestamp"][0] == TEN_ON_THE_3RD
    assert note(data) == "heard is read for date, which has its days alone"
    assert data.events.columns == ["user_id", "item_id", "timestamp"]


def test_days_stay_days_beside_times_of_other_days_or_two_of_the_same() -> None:
    days = [time[:10] for time in PLAYED]
    shipped = Dataset.from_tables(log(date=days, shipped=PLAYED[::-1]))
    assert (shipped.events["timestamp"] % 86_400 == 0).all()
    ends = [time.replace("10:00", "11:00") for time in PLAYED]
    both = Dataset.from_tables(log(date=days, begun=PLAYED, ended=ends))
    assert (both.events["timestamp"] % 86_400 == 0).all()
    assert "its days are those of begun, ended" in note(both)


def test_orders_are_dated_by_the_day_of_order() -> None:
    orders = pl.DataFrame(
        {
            "Customer ID": ["c", "c"],
            "Product ID": ["p", "q"],
            "Order Date": ["23/11/2016", "08/11/2016"],
            "Ship Date": ["24/11/2016", "30/11/2016"],
        }
    )
    data = Dataset.from_tables(orders)
    assert data.events["item_id"].to_list() == ["q", "p"]
    assert "Ship Date" in data.events.columns


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("uts", [1_704_448_800, 1_704_276_000, 1_704_362_400, 1_704_535_200]),
        ("unix_timestamp_created", [1_704_448_800, 1_704_276_000, 1_704_362_400, 1_704_535_200]),
        ("ts", [f"{time.replace(' ', 'T')}:00Z" for time in PLAYED]),
        ("played_at", PLAYED),
        ("listened_at", PLAYED),
    ],
)
def test_names_of_times_in_logs_of_music_and_games(name: str, times: list[object]) -> None:
    assert Dataset.from_tables(log(**{name: times})).events["timestamp"][0] == TEN_ON_THE_3RD


def test_months_against_the_rows_are_refused() -> None:
    table = log(year=[2024, 2023, 2024, 2024], month=[1, 12, 2, 3])
    with pytest.raises(DataError, match="its year and month are in another order than the rows"):
        Dataset.from_tables(table)
    assert Dataset.from_tables(table, order_by_rows=True).events["item_id"].to_list() == list("abcd")
    assert Dataset.from_tables(table[1:]).order_only
    joined = Dataset.from_tables(log(timestamp=["2024-01", "2023-12", "2024-02", "2024-03"]))
    assert joined.events["item_id"].to_list() == list("bacd")
    assert note(joined) == "read as written: 2024-01 is 2024-01-01"
