"""Sizes follow the log, and what is written after a member's name holds."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split
from llmrec.models import from_recipe
from llmrec.models.stacking import sizes as stacking_sizes
from llmrec.models.stacking.members import member_recipes, sized_recipes
from llmrec.models.stacking.recommender import StackedRecommender
from llmrec.models.stacking.sizes import Sizes


def log_of(n_users: int, length: int) -> Dataset:
    rows = [(f"u{user}", str((user + n) % 50), n) for user in range(n_users) for n in range(length)]
    return Dataset.from_tables(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))


@pytest.mark.parametrize(
    ("n_events", "needed", "window", "width", "batches"),
    [
        (900, 9, 20, 64, (300, 300, 300)),
        (20_000, 87, 87, 64, (500, 500, 500)),
        (98_114, 150, 150, 128, (600, 1200, 2400)),
        (1_000_000, 300, 200, 128, (600, 1200, 2400)),
        (10_000_000, 3000, 200, 256, (600, 1200, 2400)),
    ],
)
def test_sizes_follow_the_log(
    n_events: int, needed: int, window: int, width: int, batches: tuple[int, int, int]
) -> None:
    sizes = Sizes(n_events, needed, 3_000)
    members = member_recipes(["gru", "gru-text", "smollm2-135m-soft"], seed=0, sizes=sizes)
    assert tuple(recipe.train.batch_tokens for recipe in members) == batches
    gru, _, llm = members
    assert (gru.sequence.max_items, gru.sequence.dim, llm.history.max_items) == (window, width, window)
    rule = member_recipes(["item-knn"], seed=0)[0]
    assert member_recipes(["item-knn"], seed=0, sizes=sizes)[0] == rule


@pytest.mark.parametrize(("n_items", "batch"), [(50_000, 600), (50_001, 4800)])
def test_batches_are_larger_where_a_step_costs_the_same_whatever_it_reads(n_items: int, batch: int) -> None:
    assert member_recipes(["gru"], seed=0, sizes=Sizes(1_000_000, 9, n_items))[0].train.batch_tokens == batch


def test_a_log_is_measured() -> None:
    assert Sizes.of(log_of(30, 25)) == Sizes(750, 25, 50)


def test_what_is_written_holds() -> None:
    recipe = member_recipes(["gru sequence.dim=16"], seed=0, sizes=Sizes(900, 9, 50))[0]
    assert (recipe.sequence.dim, recipe.sequence.max_items) == (16, 20)


@pytest.mark.parametrize(
    ("n_events", "most", "line", "minutes"),
    [
        (100_000, 60, "gru train.max_minutes=20", 20),
        (500_000, 60, "gru train.max_minutes=20", 30),
        (988_129, 60, "gru-text train.max_minutes=20", 59),
        (10_000_000, 60, "gru train.max_minutes=20", 60),
        (10_000_000, 60, "gru train.max_minutes=90", 90),  # never less than is written
        (10_000_000, None, "gru train.max_minutes=20", 20),
        (10_000_000, 60, "gru", None),  # which ends where nothing improves
    ],
)
def test_bounded_minutes_grow_with_the_log(
    n_events: int, most: float | None, line: str, minutes: float | None
) -> None:
    recipe = member_recipes([line], seed=0, sizes=Sizes(n_events, 9, 50, most_minutes=most))[0]
    assert recipe.train.max_minutes == minutes


@pytest.mark.parametrize("name", ["auto", "gru-text-rules"])
def test_shipped_stacks_take_at_most_three_hours(name: str) -> None:
    stack = Recipe.load(name).stack
    for n_events, most in ((300_000, 100), (100_000_000, 180)):
        sizes = Sizes(n_events, 200, 50, most_minutes=stack.max_minutes)
        recipes = member_recipes(stack.members, seed=0, sizes=sizes)
        networks = [recipe.train.max_minutes for recipe in recipes if recipe.train.model_fields_set]
        assert None not in networks
        assert sum(map(float, filter(None, networks))) == most - 60 * (name != "auto")


@pytest.mark.parametrize(("written", "said"), [("0.5", True), ("3", False)])
def test_a_stack_s_minutes_grow_where_it_is_fitted(
    written: str, said: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stacking_sizes, "MINUTES_A_MILLION", 4_000)  # 2 for the 500 events here
    stack = {"members": [f"gru train.max_minutes={written}", "markov"], "max_minutes": 60}
    with caplog.at_level("INFO"):
        recipes = sized_recipes(Recipe.of({"model": "stacked", "stack": stack}), log_of(20, 25))
    assert recipes[0].train.max_minutes == max(2, float(written))
    assert ("more minutes at most (gru 2)" in caplog.text) == said


@pytest.mark.parametrize(("sizes", "window"), [("by_log", 23), ("as_written", 50)])
def test_a_stack_is_sized_unless_its_recipe_says_not(
    sizes: str, window: int, caplog: pytest.LogCaptureFixture
) -> None:
    split = Split.leave_last_out(log_of(20, 25))
    quick = "gru sequence.dim=8 train.epochs=1 train.schedule=constant"
    recipe = Recipe.of({"model": "stacked", "stack": {"members": [quick], "sizes": sizes}})
    with caplog.at_level("INFO"):
        model = from_recipe(recipe).fit(split.train, valid=split.valid)
    assert isinstance(model, StackedRecommender)
    assert model.members[0].recipe.sequence.max_items == window
    assert ("windows of 23" in caplog.text) == (sizes == "by_log")


def test_a_recipe_of_one_s_own_and_texts_are_left_as_they_are(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: own\nmodel: gru\nsequence: {dim: 16}\n")
    sizes = Sizes(900, 9, 50)
    assert member_recipes([str(own)], seed=0, sizes=sizes) == member_recipes([str(own)], seed=0)
    text = ["smollm2-135m-lora"]
    assert member_recipes(text, seed=0, sizes=sizes) == member_recipes(text, seed=0)
