"""Leak guards: each finds what was planted, and lets honest data pass."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.splits import planted

from llmrec.data import Catalog, Dataset, Split, toy_films
from llmrec.data.splits.leaks import GUARDS, NAMES, Finding, check, guard, seeded_candidates
from llmrec.errors import DataError, LeakError


def shop(n_users: int = 60, length: int = 8, *, seed: int = 0) -> Dataset:
    """People who see random films, a minute apart, none twice."""
    rng = np.random.default_rng(seed)
    films = np.concatenate([rng.permutation(500)[:length] for _ in range(n_users)])
    users = np.repeat(np.arange(n_users), length)
    times = 1_700_000_000 + np.arange(n_users * length) * 60
    titles = {"item_id": np.arange(500), "title": [f"Film {n}" for n in range(500)]}
    return Dataset.from_tables({"user_id": users, "item_id": films, "timestamp": times}, items=titles)


def only(split: Split) -> Finding:
    findings = check(split)
    assert len(findings) == 1, findings
    return findings[0]


def test_honest_data_has_no_finding() -> None:
    for data in (toy_films(), shop()):
        assert check(Split.leave_last_out(data)) == []
        assert guard(Split.leave_last_out(data)) == []
    for split in (Split.global_time(shop()), Split.user_disjoint(shop()), Split.cold_items(shop())):
        assert check(split) == []


def test_ids_given_out_along_the_histories() -> None:
    items = pl.Series(np.arange(60 * 8), dtype=pl.Int64)
    split = Split.leave_last_out(
        Dataset.from_tables({"user_id": np.repeat(np.arange(60), 8), "item_id": items, "timestamp": items * 70})
    )
    finding = only(split)
    assert (finding.name, finding.severity, finding.share) == ("consecutive-ids", "error", 1.0)


def test_the_last_item_repeated() -> None:
    events = shop().events
    last = events.group_by("user_id", maintain_order=True).last().with_columns(pl.col("timestamp") + 5)
    data = shop().with_events(pl.concat([events, last]).sort("user_id", "timestamp"))
    findings = {finding.name: finding for finding in check(Split.leave_last_out(data))}
    assert (findings["repeated-last-item"].severity, findings["repeated-last-item"].share) == ("error", 1.0)
    habit = toy_films(n_items=4, length=8)
    same = habit.with_events(habit.events.with_columns(pl.col("item_id").first().over("user_id")))
    findings = {finding.name: finding for finding in check(Split.leave_last_out(same))}
    assert findings["repeated-last-item"].severity == "warning"  # a log where it is normal is a shop's
    assert findings["repeated-last-item"].message.endswith("drop repeats with --drop-repeats")
    played = Dataset.from_tables(
        pl.concat([events.with_columns(behavior=pl.lit("buy")), last.with_columns(behavior=pl.lit("play"))])
    )
    findings = {finding.name: finding for finding in check(Split.leave_last_out(played))}
    assert findings["repeated-last-item"].message.endswith("--drop-where \"behavior = 'buy'\"")


def test_items_of_one_title() -> None:
    data = shop()
    few = pl.when(pl.int_range(pl.len()) < 10).then(pl.lit("Untitled")).otherwise("title").alias("title")
    split = Split.leave_last_out(replace(data, catalog=Catalog(data.catalog.table.with_columns(few))))
    assert (only(split).name, only(split).severity) == ("duplicate-titles", "warning")
    book = (pl.int_range(pl.len()) % (pl.len() * 4 // 5)).cast(pl.String)
    editions = data.catalog.table.with_columns(title=pl.lit("Book ") + book)
    split = Split.leave_last_out(replace(data, catalog=Catalog(editions)))
    assert 0.3 < only(split).share < 0.5
    assert only(split).severity == "warning"
    same = Catalog(data.catalog.table.with_columns(title=pl.lit("Untitled")))
    assert only(Split.leave_last_out(replace(data, catalog=same))).severity == "error"


def test_tied_times() -> None:
    data = shop()
    split = Split.leave_last_out(data.with_events(data.events.with_columns(pl.col("timestamp") // 600 * 600)))
    assert (only(split).name, only(split).severity) == ("tied-timestamps", "warning")
    assert only(split).share > 0.5
    assert re.match(r"\d\d of 60 answers \(\d\d\.\d%\) have the time", only(split).message)


def test_few_ties_are_not_worth_a_line() -> None:
    data = shop(200)
    last, before = 200 * 8 - 1, 200 * 8 - 2
    times = data.events["timestamp"].to_list()
    tied = data.with_events(data.events.with_columns(timestamp=pl.Series([*times[:last], times[before]])))
    assert check(Split.leave_last_out(tied)) == []  # 1 of 200 answers
    times[7 * 8 + 7], times[9 * 8 + 7] = times[7 * 8 + 6], times[9 * 8 + 6]
    tied = data.with_events(data.events.with_columns(timestamp=pl.Series([*times[:last], times[before]])))
    assert only(Split.leave_last_out(tied)).message.startswith("3 of 200 answers (1.5%)")


def test_answers_that_are_trained_on() -> None:
    split = Split.leave_last_out(shop())
    leaked = split.train.with_events(pl.concat([split.train.events, split.held_out]).sort("user_id", "timestamp"))
    names = {finding.name: finding.severity for finding in check(planted(split, train=leaked))}
    assert names["test-in-train"] == "error"


@pytest.mark.parametrize("cut", [Split.user_disjoint, Split.cold_items])
def test_what_a_strategy_keeps_out_of_train_may_not_be_there_once(cut: object) -> None:
    split = cut(shop())  # type: ignore[operator]
    leaked = split.train.with_events(pl.concat([split.train.events, split.held_out[:1]]))
    findings = [finding for finding in check(planted(split, train=leaked)) if finding.name == "test-in-train"]
    assert [finding.severity for finding in findings] == ["error"]


def test_training_on_the_future() -> None:
    data = shop()
    parts = np.zeros(data.events.height, dtype=np.int8)
    parts[::8] = 2
    finding = only(Split("by hand", data, parts))
    assert (finding.name, finding.severity, finding.share) == ("future-in-train", "error", 1.0)
    late = Split.global_time(data)
    other = late.held_out[-1:].with_columns(user_id=pl.lit("somebody else"))
    moved = planted(late, train=data.with_events(pl.concat([late.train.events, other])))
    assert only(moved).name == "future-in-train"


def test_candidate_lists_that_give_the_answer_away() -> None:
    split = Split.leave_last_out(shop())
    answers = dict(split.test.answers.iter_rows())
    rng = np.random.default_rng(1)

    def drawn(answer: str, generator: np.random.Generator, position: int) -> list[str]:
        others = [str(n) for n in generator.permutation(500)[:20] if str(n) != answer][:19]
        return [*others[:position], answer, *others[position:]]

    fair = {user: drawn(item, rng, int(rng.integers(20))) for user, item in answers.items()}
    assert seeded_candidates(split.test, fair) is None
    first = {user: drawn(item, rng, 0) for user, item in answers.items()}
    findings = check(split, candidates=(split.test, first))
    assert [(f.name, f.severity, f.share) for f in findings] == [("seeded-candidates", "error", 1.0)]
    common = replace(split.test, answers=split.test.answers.with_columns(item_id=pl.Series(["7", "9"] * 30)))
    seeded = {
        user: drawn(item, np.random.default_rng(int(item)), int(rng.integers(20)))
        for user, item in common.answers.iter_rows()
    }
    leak = seeded_candidates(common, seeded)
    assert leak is not None
    assert leak.severity == "error"
    assert seeded_candidates(common, {}) is None


def test_the_guard_raises_in_one_line_and_records_what_is_allowed() -> None:
    split = Split.leave_last_out(shop())
    same = planted(
        split, train=replace(split.train, catalog=Catalog(shop().catalog.table.with_columns(title=pl.lit("x"))))
    )
    with pytest.raises(LeakError) as caught:
        guard(same)
    assert "--allow-leak duplicate-titles" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    recorded = guard(same, allow=["duplicate-titles"])
    assert [(leak["name"], leak["allowed"]) for leak in recorded] == [("duplicate-titles", True)]
    with pytest.raises(DataError, match="leak titles: there is no such leak; the names are consecutive-ids"):
        guard(split, allow=["titles"])
    assert set(GUARDS) < set(NAMES)
