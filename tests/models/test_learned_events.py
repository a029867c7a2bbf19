"""What a run has learned is no answer for what goes on from it: not of validation, and none of a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split
from llmrec.data import Histories, toy_films
from llmrec.errors import ArtifactError, DataError
from llmrec.models import Recommender
from llmrec.models.continuation import Continuation
from llmrec.models.forgetting import forget_users
from llmrec.models.learned_events import LearnedEvents
from llmrec.models.runs import fit_run, run_split

FILMS = toy_films(n_users=24, length=10)
NEW = [str(n) for n in range(10)]  # who has two events in the first log: too few to hold one out


def log_of(n_new: int, n_others: int, name: str = "films") -> Dataset:
    """Take so many first events of the new people, and of all others."""
    n = pl.when(pl.col("user_id").is_in(NEW)).then(n_new).otherwise(n_others)
    events = FILMS.events.filter(pl.int_range(pl.len()).over("user_id") < n)
    return Dataset.from_tables(events, items=FILMS.catalog.table, name=name, keep_unseen_items=True)


def fitted(recipe: Recipe, split: Split, out: Path, run: Path | None = None) -> Recommender:
    return fit_run(recipe, split.data, split, out, progress=False, continue_from=run)


@pytest.fixture
def one_epoch(gru_with: Callable[..., Recipe]) -> Recipe:
    return gru_with(epochs=1)


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The people whom each training of a GRU is validated on, gathered while the test runs."""
    from llmrec.models import fit_network

    seen: list[tuple[str, ...]] = []
    whole = fit_network.ndcg_on

    def noting(model: Recommender, fold: object) -> float:
        seen.append(fold.histories.user_ids)  # type: ignore[attr-defined]
        return whole(model, fold)  # type: ignore[arg-type]

    monkeypatch.setattr(fit_network, "ndcg_on", noting)
    return seen


@pytest.mark.parametrize(
    ("learned", "now", "held_out"),
    [
        ("ab", "abc", [False, True, False]),  # two were too few to hold one out
        ("abc", "abcde", [False] * 5),  # the old test answer is the validation answer now
        ("ab", "xab", [False, True, True]),  # an event that came late
        ("ab", "bac", [False, True, False]),  # in another order
        ("a", "aaa", [False, False, False]),  # the same item again is another event
        ("aa", "aaa", [False, True, False]),
        ("", "abc", [False] * 3),
    ],
)
def test_what_was_learned_and_is_held_out_is_marked(learned: str, now: str, held_out: list[bool]) -> None:
    events = {"user_id": ["ann"] * len(now) + ["ben"] * 3, "item_id": [*now, *"abc"]}
    marked = LearnedEvents(Histories.of({"ann": [*learned]})).marked(
        Split.leave_last_out(Dataset.from_tables(events))
    )
    marks = [False] * len(now) if marked.learned is None else marked.learned[: len(now)].tolist()
    assert marks == held_out
    assert marked.learned is None or not marked.learned[len(now) :].any()  # nothing of ben's
    assert set(marked.valid.histories.user_ids) == ({"ben"} if held_out[-2] else {"ann", "ben"})
    assert set(marked.test.histories.user_ids) == {"ann", "ben"}


def test_a_run_on_all_events_has_seen_the_answers(tmp_path: Path, one_epoch: Recipe) -> None:
    """Those of whoever has no new events. Of whom has some they are new."""
    fitted(one_epoch, Split.none(log_of(3, 6)), tmp_path / "all")
    still = Split.leave_last_out(log_of(3, 8))
    with pytest.raises(DataError, match=r"on 10 of the test answers of leave-last-out .* with --split none, or"):
        fitted(one_epoch, still, tmp_path / "new", tmp_path / "all")
    assert not list(tmp_path.glob("new*"))
    grown = fitted(one_epoch, Split.leave_last_out(log_of(5, 9)), tmp_path / "new", tmp_path / "all")
    assert grown.metadata["continued"]["events"] == log_of(3, 6).events.height
    knn = Recipe.load("item-knn")  # counts anew: nothing of the run is in it
    fitted(knn, Split.none(log_of(3, 6)), tmp_path / "knn")
    assert fitted(knn, still, tmp_path / "knn2", tmp_path / "knn").is_fitted


def test_an_older_event_of_who_had_two_is_refused_with_a_way_out(tmp_path: Path, one_epoch: Recipe) -> None:
    """The one that both were learned of has no answer that was not: it came late to the log, before them."""
    fitted(one_epoch, Split.leave_last_out(log_of(2, 6)), tmp_path / "old")
    grown = log_of(2, 8)
    first = grown.events.filter(pl.col("user_id") == NEW[0]).head(1)
    late = first.with_columns(pl.col("timestamp") - 100, item_id=pl.lit("17"))
    columns = ["user_id", "item_id", "timestamp"]
    log = pl.concat([grown.events.select(columns), late.select(columns)])
    data = Dataset.from_tables(log, items=FILMS.catalog.table, name="late", keep_unseen_items=True)
    message = (
        r"trained on 1 of the test answers .* of user '0': it may have seen the answers; 1 people had too few "
        r"events to hold one out, and the events that came since are older: leave these out \(--drop-where .*"
        r"--split none\), or fit anew"
    )
    with pytest.raises(DataError, match=message):
        fitted(one_epoch, Split.leave_last_out(data), tmp_path / "new", tmp_path / "old")
    assert fitted(one_epoch, Split.none(data), tmp_path / "new", tmp_path / "old").is_fitted
    without = data.with_events(data.events.filter(~((pl.col("user_id") == "0") & (pl.col("item_id") == "17"))))
    assert fitted(one_epoch, Split.leave_last_out(without), tmp_path / "less", tmp_path / "old").is_fitted


def test_whose_validation_answer_was_learned_is_not_validated_on(
    tmp_path: Path, one_epoch: Recipe, caplog: pytest.LogCaptureFixture, validated: list[tuple[str, ...]]
) -> None:
    """Nor in what goes on from that, until there is something new of them; whoever grew is."""
    fitted(one_epoch, Split.leave_last_out(log_of(2, 6)), tmp_path / "old")
    validated.clear()
    split = Split.leave_last_out(log_of(3, 8))
    second = fitted(one_epoch, split, tmp_path / "second", tmp_path / "old")
    assert "old was trained on validation answers of 10 people, who are not validated on; 14 others" in caplog.text
    assert "other events" not in caplog.text
    others = tuple(user for user in split.valid.histories.user_ids if user not in NEW)
    assert len(split.valid.histories) == len(NEW) + len(others)
    assert set(validated) == {others}
    again = run_split({str(tmp_path / "second"): second}, split.data)
    assert again.valid.histories.user_ids == others
    forget_users(tmp_path / "second", [others[0]])
    validated.clear()
    fitted(one_epoch, Split.leave_last_out(log_of(3, 9)), tmp_path / "third", tmp_path / "second")
    assert set(validated) == {others}
    validated.clear()
    fitted(one_epoch, Split.leave_last_out(log_of(4, 10)), tmp_path / "fourth", tmp_path / "third")
    assert [len(users) for users in validated] == [len(NEW) + len(others)]


def test_where_nobody_is_left_it_is_as_without_validation(
    tmp_path: Path, one_epoch: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    fitted(one_epoch, Split.none(log_of(2, 0)), tmp_path / "old")
    new = fitted(one_epoch, Split.leave_last_out(log_of(3, 2)), tmp_path / "new", tmp_path / "old")
    assert "0 others are" in caplog.text
    assert [set(row) & {"valid_ndcg@10"} for row in new.train_log] == [set()]


def test_what_was_learned_need_not_be_somebodys_first_events(tmp_path: Path, one_epoch: Recipe) -> None:
    """Of a split that holds out items, the same ones again: none of the answers was learned."""
    old, new = (Split.cold_items(log_of(4, n)) for n in (6, 10))
    fitted(one_epoch, old, tmp_path / "old")
    learned = Continuation.of(tmp_path / "old").learned(new.train)
    assert sum(learned.values()) == old.train.events.height < new.train.events.height
    assert fitted(one_epoch, new, tmp_path / "new", tmp_path / "old").is_fitted


def test_a_split_of_other_histories_is_damage(tmp_path: Path, one_epoch: Recipe) -> None:
    run = tmp_path / "old"
    fitted(one_epoch, Split.leave_last_out(log_of(2, 6)), run)
    with pytest.raises(ArtifactError, match=r"parts.parquet is not of the run's histories; restore it"):
        LearnedEvents.of(run, log_of(3, 6).histories)
