"""What fitting a stack takes is said before its first member, and changes nothing of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.stack_logs import log_of, stacked

from llmrec import Recipe, Split
from llmrec.errors import EncodingTooLong
from llmrec.models import GRURecommender, from_recipe
from llmrec.models.base import Recommender
from llmrec.models.registry import complete_recipe
from llmrec.models.stacking.forecast import NetworkForecast, forecasts
from llmrec.models.stacking.recommender import StackedRecommender
from llmrec.models.stacking.remarks import stopped_for_time
from llmrec.training import encoding_bar, forecast

MakeRecipe = Callable[..., Recipe]
QUICK_GRU = "gru sequence.dim=16 train.epochs=2 train.schedule=constant train.max_minutes=5"


def test_the_sum_is_said_first_and_all_is_as_without(
    toy_split: Split, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = stacked(QUICK_GRU, "markov")

    def fitted(*, progress: bool) -> Recommender:
        return from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, progress=progress)

    plain = fitted(progress=True)
    assert "in all" not in capsys.readouterr().err, "training for seconds is not worth a line"
    monkeypatch.setattr(forecast, "LEAST_OPERATIONS", 0.0)
    model = fitted(progress=True)
    lines = capsys.readouterr().err.splitlines()
    of_all = r"stack: about \d+ s in all: gru \d+ s \(5 min at most\); rules, validation and weighing"
    assert re.match(of_all, lines[0])
    assert re.match(r"gru: training takes about \d+ s", lines[1])
    np.testing.assert_array_equal(model.score(toy_split.test.histories), plain.score(toy_split.test.histories))
    fitted(progress=False)
    assert not capsys.readouterr().err


def test_of_a_catalog_a_sample_is_encoded(
    toy_split: Split, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "LEAST_OPERATIONS", 0.0)
    monkeypatch.setattr(encoding_bar, "SAMPLE_SECONDS", 0.0)
    encoded: list[int] = []
    plain = encoding_bar.EncodingBar.advance

    def noted(bar: encoding_bar.EncodingBar, n_tokens: int) -> None:
        plain(bar, n_tokens)
        encoded.append(n_tokens)

    monkeypatch.setattr(encoding_bar.EncodingBar, "advance", noted)
    recipe = tiny_recipe("soft", "train.epochs=1", "train.batch_tokens=20")
    (part,) = forecasts([recipe], toy_split.train, valid=toy_split.valid)
    assert len(encoded) == 1
    assert part.minutes > 0
    from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    assert len(encoded) > 2


def test_what_cannot_be_fed_and_rules_are_no_part(toy_split: Split, tmp_path: Path) -> None:
    recipes = [Recipe.load(name) for name in ("markov", "als", "gru")]
    assert forecasts(recipes, toy_split.train, valid=toy_split.valid) == [NetworkForecast("gru", 0.0, None)]


def test_without_texts_what_takes_the_place_of_one_over_them_is_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    """As fitting trains it; no text is encoded."""
    monkeypatch.setattr(encoding_bar.EncodingBar, "advance", lambda *_: pytest.fail("encoded"))
    split = Split.leave_last_out(log_of(0.5))
    recipes = [complete_recipe(Recipe.load(name)) for name in ("gru-text", "gru-text-ids", "markov")]
    assert forecasts(recipes, split.train, valid=split.valid) == [NetworkForecast("gru", 0.0, None)]


def test_networks_that_learned_less_than_they_could_are_named(caplog: pytest.LogCaptureFixture) -> None:
    split = Split.leave_last_out(log_of(0.0))
    weak = "gru sequence.dim=4 train.learning_rate=1e-9 train.max_minutes=0.00001"
    with caplog.at_level("INFO"):
        from_recipe(stacked(weak, "popularity")).fit(split.train, valid=split.valid)
    assert "gru was stopped by train.max_minutes=1e-05 in epoch 1, before nothing improved any more" in caplog.text
    assert "gru alone is worse than popularity (NDCG@10 0." in caplog.text


@pytest.mark.parametrize(
    ("valid", "seconds", "stopped"),
    [
        ([0.10, 0.19, 0.1899], 500.0, True),  # the last, cut short, happens to be a little worse
        ([0.10, 0.19, 0.18, 0.18, 0.18], 300.0, False),  # patience had ended it
        ([0.10, 0.19], 100.0, False),  # over before its time was
    ],
)
def test_a_network_is_stopped_for_time_unless_patience_had_ended_it(
    valid: list[float], seconds: float, stopped: bool
) -> None:
    member = from_recipe(Recipe.load("gru", set=["train.max_minutes=20"]))
    member.train_log = [
        {"step": 100 * n, "seconds": seconds, "valid_ndcg@10": value} for n, value in enumerate(valid, start=1)
    ]
    assert stopped_for_time(member) == stopped


def test_a_member_whose_texts_take_too_long_is_left_out(
    monkeypatch: pytest.MonkeyPatch, toy_split: Split, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise EncodingTooLong("encoding 9 item texts takes about 300 minutes")

    monkeypatch.setattr(GRURecommender, "_fit", refused)
    model = from_recipe(stacked(QUICK_GRU, "popularity")).fit(toy_split.train, valid=toy_split.valid)
    assert isinstance(model, StackedRecommender)
    assert [member.kind for member in model.members] == ["popularity"]
    assert "gru is left out of the stack: encoding 9 item texts takes" in caplog.text
