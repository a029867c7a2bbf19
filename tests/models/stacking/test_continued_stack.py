"""A stack that goes on from a run: its networks do, or it is refused, and each says what it went on from."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split
from llmrec.data import toy_films
from llmrec.errors import DataError
from llmrec.models import GRURecommender, PopularityRecommender, Recommender
from llmrec.models.continuation import Continuation
from llmrec.models.runs import fit_run
from llmrec.models.stacking.members import MEMBERS
from llmrec.models.stacking.recommender import StackedRecommender
from llmrec.training.checkpoints import best_row

QUICK = "gru sequence.dim=8 train.epochs=1 train.schedule=constant"
OPEN_ENDED = "gru sequence.dim=8 train.epochs=8"
FILMS = toy_films(n_users=24, length=9)


def first(n: int) -> Dataset:
    """The first n events of everybody."""
    events = FILMS.events.filter(pl.int_range(pl.len()).over("user_id") < n)
    return Dataset.from_tables(events, items=FILMS.catalog.table, name="films", keep_unseen_items=True)


def fitted(data: Dataset, out: Path, *, run: Path | None = None, network: str = QUICK) -> Recommender:
    recipe = Recipe.of({"name": "both", "model": "stacked", "stack": {"members": [network, "popularity"]}})
    return fit_run(recipe, data, Split.leave_last_out(data), out, progress=False, continue_from=run)


def refuse(model: type[Recommender], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the data not feed a model."""

    def fit(*_: object, **__: object) -> None:
        raise DataError("no such column")

    monkeypatch.setattr(model, "_fit", fit)


def test_what_is_refused_of_a_network_alone_is_refused_of_a_stack(tmp_path: Path) -> None:
    fitted(first(5), tmp_path / "old")
    with pytest.raises(DataError, match=r"holds no event that .*old was not trained on"):
        fitted(first(5), tmp_path / "same", run=tmp_path / "old")
    other = toy_films(n_users=24, seed=5)
    with pytest.raises(DataError, match="does not hold the events that"):
        fitted(other, tmp_path / "other", run=tmp_path / "old")
    assert {path.name for path in tmp_path.iterdir()} == {"old"}


def test_a_recipe_of_further_members_goes_on_from_a_run_of_none(tmp_path: Path) -> None:
    fitted(first(5), tmp_path / "old")
    stack = {"members": [QUICK, "popularity"], "unordered_members": ["ease"]}
    recipe, data = Recipe.of({"name": "both", "model": "stacked", "stack": stack}), first(7)
    split = Split.leave_last_out(data)
    model = fit_run(recipe, data, split, tmp_path / "new", progress=False, continue_from=tmp_path / "old")
    assert model.metadata["continued"]["run"] == "old"


def test_a_network_that_cannot_go_on_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted(first(5), tmp_path / "old")
    refuse(GRURecommender, monkeypatch)
    with pytest.raises(DataError, match="no such column"):
        fitted(first(7), tmp_path / "new", run=tmp_path / "old")
    assert isinstance(fitted(first(7), tmp_path / "anew"), StackedRecommender)  # from scratch it is, and said


def test_a_rule_that_cannot_be_counted_any_more_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It begins anew, so nothing is lost of the run: as in a stack from scratch."""
    fitted(first(5), tmp_path / "old")
    refuse(PopularityRecommender, monkeypatch)
    with caplog.at_level(logging.WARNING):
        new = fitted(first(7), tmp_path / "new", run=tmp_path / "old")
    assert [member.kind for member in new.members] == ["gru"]  # type: ignore[attr-defined]
    assert "popularity is left out of the stack: no such column" in caplog.text


def test_a_network_in_a_stack_says_what_it_went_on_from(tmp_path: Path) -> None:
    """Also when it goes on for the second time: of all steps, for a quarter of the epochs of the first."""
    runs = [tmp_path / name for name in ("first", "second", "third")]
    fitted(first(5), runs[0], network=OPEN_ENDED)
    for n in (1, 2):
        model = fitted(first(5 + n), runs[n], run=runs[n - 1], network=OPEN_ENDED)
        assert model.metadata["continued"].keys() == {"run", "fingerprint", "events"}  # it has no steps itself
    steps = 0
    for n, run in enumerate(runs):
        stack = Continuation.of(run)
        gru = stack.model.members[0]  # type: ignore[attr-defined]
        assert gru.recipe.train.epochs == (2 if n else 8)
        assert gru.metadata.get("continued", {}).get("steps", 0) == steps
        member = stack.member(run / MEMBERS / "0-gru", gru)
        assert member.epochs == 8
        assert member.steps == steps + best_row(gru.train_log)["step"]
        steps = member.steps
