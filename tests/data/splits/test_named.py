"""Split strategies by name: the shipped ones with their options, and one that is written here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import pytest
from support.splits import planted

from llmrec.arrays import Int8s
from llmrec.cli.app import run
from llmrec.data import Dataset, Split
from llmrec.data.splits import NAMED_SPLITS, TEST, TRAIN, VALID, split_strategy, strategy_of
from llmrec.data.splits.leaks import check
from llmrec.errors import DataError
from llmrec.evaluation.protocol import EvaluationProtocol

DAY = 86_400


@pytest.fixture(scope="module")
def data() -> Dataset:
    rows = [(f"u{n % 12}", f"i{(7 * n) % 30}", 1000 + n * DAY // 4) for n in range(400)]
    return Dataset.from_tables(
        pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"), time_format="seconds"
    )


SINGLE = [name for name, strategy in NAMED_SPLITS.items() if not strategy.several]


@pytest.mark.parametrize("name", [*SINGLE, "rolling-2-of-3"])
def test_a_split_carries_the_name_it_is_made_by(name: str, data: Dataset) -> None:
    split = Split.by_name(name, data)
    assert split.name == name
    assert split.hash == Split.open(name, data).hash
    assert [again.hash for again in Split.all_by_name(name, data)] == [split.hash]
    assert strategy_of(name) == ("rolling" if "rolling" in name else name)


def test_windows_are_those_of_rolling(data: Dataset) -> None:
    wanted = [split.hash for split in Split.rolling(data, windows=4)]
    assert [Split.by_name(f"rolling-{n}-of-4", data).hash for n in range(1, 5)] == wanted
    assert [split.hash for split in Split.all_by_name("rolling", data, windows=4)] == wanted
    with pytest.raises(DataError, match="rolling gives several splits; name one of them, such as rolling-1-of-3"):
        Split.by_name("rolling", data)


@pytest.mark.parametrize("name", ["rolling-4-of-3", "rolling-0-of-3", "leave-one-out", "no/such/folder"])
def test_another_name_is_refused_with_the_known_ones(name: str, data: Dataset) -> None:
    with pytest.raises(DataError, match=rf"no split strategy named '{name}'.* leave-last-out, .* rolling-1-of-3"):
        Split.open(name, data)


def test_options_are_those_of_the_strategy(data: Dataset) -> None:
    assert Split.by_name("leave-last-k", data, k=2).hash == Split.leave_last_k(data, k=2).hash
    with pytest.raises(DataError, match="leave-last-out has no option 'k'; its options: none"):
        Split.by_name("leave-last-out", data, k=2)
    with pytest.raises(DataError, match="cold-items has no option 'gap'; its options: share, seed"):
        Split.by_name("cold-items", data, gap=2)
    options = NAMED_SPLITS["global-time"].options | NAMED_SPLITS["per-session"].options
    assert {name: option.type for name, option in options.items()} == {
        "valid_from": str,
        "test_from": str,
        "gap": int,
    }
    assert NAMED_SPLITS["rolling"].options["share"].default == 0.4


def test_times_are_seconds_or_text(data: Dataset) -> None:
    by_text = Split.global_time(data, valid_from="1970-03-01", test_from="1970-04-01T00:00Z")
    assert by_text.hash == Split.global_time(data, valid_from=59 * DAY, test_from=90 * DAY).hash
    for text in ("soon", "1500.5", "99"):
        with pytest.raises(
            DataError, match=f"'{text}' is no time; write Unix|no event is in train with {text} and"
        ):
            Split.global_time(data, valid_from=text)
    with pytest.raises(DataError, match="'05/03/1970': day and month could be either way round; write it as"):
        Split.global_time(data, valid_from="05/03/1970")


@pytest.mark.parametrize(
    "text",
    [
        *("20210326", "202103261015", "20210326T101500Z", "44281.427083333", "1616753700000"),
        *(
            "Fri Mar 26 10:15:00 2021",
            "26/Mar/2021:10:15:00 +0000",
            "March 26, 2021 10:15 AM",
            "3/26/2021 10:15 AM",
        ),
        *("26.03.2021 10:15", "2021-03-26 11:15:00+01:00", "2021/3/26 10:15"),
    ],
)
def test_a_cut_is_read_as_the_times_of_a_log_are(text: str) -> None:
    one = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [text]})
    cut = Dataset.from_tables(one).events["timestamp"][0]
    day = date(2021, 3, 26)
    hours = [datetime(2021, 3, 25, tzinfo=UTC) + n * timedelta(hours=1) for n in range(96)]
    log = pl.DataFrame({"user_id": ["u"] * 96, "item_id": [f"i{n}" for n in range(96)], "timestamp": hours})
    data = Dataset.from_tables(log)
    by_text = Split.global_time(data, valid_from=text, test_from="28 March 2021")
    assert by_text.hash == Split.global_time(data, valid_from=cut, test_from=date(2021, 3, 28)).hash
    assert datetime.fromtimestamp(cut, UTC).date() == day


@pytest.fixture
def hashed_users() -> Iterator[str]:
    """A strategy that stands in this file alone."""

    @split_strategy("hashed-users", held_out="users by their number", disjoint="user_id")
    def by_number(data: Dataset, *, modulo: Annotated[int, "how many groups of users"] = 4) -> Int8s:
        numbers = data.events["user_id"].str.slice(1).cast(pl.Int64).to_numpy() % modulo
        return np.select([numbers == 0, numbers == 1], [TEST, VALID], TRAIN).astype(np.int8)

    yield "hashed-users"
    del NAMED_SPLITS["hashed-users"]


def test_a_strategy_written_elsewhere_is_used_by_name(hashed_users: str, data: Dataset, tmp_path: Path) -> None:
    split = Split.open(hashed_users, data)
    assert set(split.test.answers["user_id"]) == {"u0", "u4", "u8"}
    assert set(Split.by_name(hashed_users, data, modulo=6).test.answers["user_id"]) == {"u0", "u6"}
    split.save(tmp_path / "split")
    assert Split.load(tmp_path / "split", data).hash == split.hash
    with pytest.raises(DataError, match=r"there are leave-last-out, .*, hashed-users"):
        Split.by_name("hashed-user", data)
    with pytest.raises(DataError, match="the split strategy 'hashed-users' is there already"):
        split_strategy(hashed_users, held_out="")(lambda data: split.parts)


def test_leak_guards_hold_a_strategy_to_what_it_declares(hashed_users: str, data: Dataset) -> None:
    split = Split.by_name(hashed_users, data)
    assert "test-in-train" not in {finding.name for finding in check(split)}
    leaked = split.train.with_events(pl.concat([split.train.events, split.held_out[:1]]))
    (finding,) = [one for one in check(planted(split, train=leaked)) if one.name == "test-in-train"]
    assert finding.severity == "error"
    assert "of answers (user_id) are trained on" in finding.message


def test_a_strategy_without_a_protocol_file_is_judged_by_the_defaults(hashed_users: str) -> None:
    protocol = EvaluationProtocol.for_split(hashed_users)
    assert (protocol.name, protocol.candidates) == ("hashed-users", "all")
    assert "users by their number" in protocol.question


def test_the_command_line_splits_fits_and_evaluates_by_its_name(
    hashed_users: str, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data.save("data")
    assert run(["data", "split", "data", "--split", hashed_users, "--out", "split"]) == 0
    assert run(["fit", "popularity", "--data", "data", "--split", hashed_users, "--out", "run"]) == 0
    assert run(["evaluate", "run", "--data", "data", "--split", "split", "--out", "report"]) == 0


def test_a_part_that_there_is_not_is_refused(data: Dataset) -> None:
    with pytest.raises(DataError, match="by hand: a part is not 0 to 3"):
        Split("by hand", data, np.full(data.events.height, 4, dtype=np.int8))


def test_a_folder_gives_the_split_that_was_saved(tmp_path: Path, data: Dataset) -> None:
    split = Split.leave_last_k(data, k=3)
    split.save(tmp_path / "cut")
    assert Split.open(str(tmp_path / "cut"), data).hash == split.hash
