"""A stacked model weighs networks and rules by validation answers, keeps its members in its run, and resumes."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.golden_cases import shop_events
from support.interruptions import Stop, stop_at
from support.stack_logs import log_of, stacked

from llmrec import Dataset, Recipe, Split
from llmrec.errors import ArtifactError, DataError, MissingExtra, ModelError, RecipeError
from llmrec.models import ALSRecommender, GRURecommender, MarkovRecommender, from_recipe, load
from llmrec.models.registry import complete_recipe
from llmrec.models.runs import fit_run, is_resumable, load_run
from llmrec.models.sequential import base as sequential
from llmrec.models.stacking.features import choices_of
from llmrec.models.stacking.members import fit_members, member_recipes, without_texts
from llmrec.models.stacking.recommender import StackedRecommender
from llmrec.models.stacking.sizes import Sizes

QUICK_GRU = "gru sequence.dim=16 train.epochs=3 train.schedule=constant"


def fitted(split: Split, *members: str) -> StackedRecommender:
    model = from_recipe(stacked(*members)).fit(split.train, valid=split.valid)
    assert isinstance(model, StackedRecommender)
    return model


def all_of(split: Split, *names: str) -> StackedRecommender:
    """A stack that keeps every member, whichever is better alone."""
    return StackedRecommender.of([from_recipe(Recipe.load(name)).fit(split.train) for name in names], split)


def weights_of(model: StackedRecommender) -> dict[str, float]:
    stack = model.metadata["stack"]
    return dict(zip(stack["members"], stack["weights"], strict=True))


def test_what_decides_gets_the_weight() -> None:
    chained, popular = log_of(0.9), log_of(0.0)
    of_chain = weights_of(all_of(Split.leave_last_out(chained), "markov", "popularity"))
    of_popular = weights_of(all_of(Split.leave_last_out(popular), "markov", "popularity"))
    assert of_chain["markov"] > 1.5 * of_popular["markov"]
    assert of_popular["popularity"] > of_chain["popularity"] + 0.3


def test_a_memory_of_training_answers_is_not_trusted() -> None:
    """Everyone's own pair, x before y, fills the training events; after a last x comes anything but y."""
    draw, rows = np.random.default_rng(0), []
    for user in range(200):
        noise = [str(n) for n in draw.integers(6, size=6)]
        walk = [*noise[:4], *[f"x{user}", f"y{user}"] * 4, f"x{user}", *noise[4:]]
        rows += [(f"u{user}", item, time) for time, item in enumerate(walk)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    split = Split.leave_last_out(Dataset.from_tables(table))
    assert split.train.repeats_are_normal
    model = fitted(split, "item-knn counting.half_life=0.5", "popularity")
    histories = split.valid.histories
    remembered = model.catalog.codes([f"y{user[1:]}" for user in histories.user_ids])
    assert (model.members[0].score(histories).argmax(axis=1) == remembered).all()
    assert (model.score(histories).argmax(axis=1) != remembered).all()
    assert weights_of(model)["item-knn"] < 0.5 < weights_of(model)["popularity"]  # both begin at a half


def test_the_stack_is_not_below_its_members() -> None:
    model = fitted(Split.leave_last_out(log_of(0.5)), "markov", "popularity", "item-knn")
    reached = model.metadata["stack"]["valid_ndcg@10"]
    assert reached["stacked, cross-validated"] > 0.97 * max(reached["members"])


def test_without_validation_the_networks_decide(toy_split: Split, caplog: pytest.LogCaptureFixture) -> None:
    model = from_recipe(stacked(QUICK_GRU, "popularity")).fit(toy_split.train)
    assert isinstance(model, StackedRecommender)
    assert "rules nothing" in caplog.text
    histories = toy_split.test.histories
    alone = model.members[0].score(histories)
    np.testing.assert_allclose(model.score(histories), alone - alone.max(axis=1, keepdims=True), atol=1e-5)


def test_a_member_that_the_data_cannot_feed_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    table = pl.DataFrame(
        {"user_id": ["a"] * 5 + ["b"] * 5, "item_id": list("12345") * 2, "timestamp": [1, 2, 3, 4, 5] * 2}
    )
    data = Dataset.from_tables(table)
    assert data.order_only
    with caplog.at_level(logging.WARNING):
        model = fitted(Split.leave_last_out(data), "recent", "popularity")
    assert [member.kind for member in model.members] == ["popularity"]
    assert "recent is left out of the stack" in caplog.text
    with pytest.raises(DataError, match="order"):
        fitted(Split.leave_last_out(data), "recent")
    with pytest.raises(DataError, match="most have no text but their id"):
        fitted(Split.leave_last_out(data), "text-graph")


def test_a_network_over_texts_and_ids_reads_ids_where_there_are_no_texts(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """In the sizes that it was given, and loaded where the fit is repeated."""
    split = Split.leave_last_out(log_of(0.5))
    line = "gru-text-ids sequence.dim=8 train.epochs=1 train.schedule=constant train.max_minutes=7 seed=3"
    recipes = member_recipes([line, "popularity"], seed=0)
    fit = partial(fit_members, recipes, split.train, valid=split.valid, work_dir=tmp_path, progress=False)
    network, rule = fit()
    assert [network.kind, rule.kind] == ["gru", "popularity"]
    assert "gru-text-ids is left out of the stack: it reads what items are called" in caplog.text
    written = network.recipe
    assert (written.name, written.sequence.dim, written.train.max_minutes, written.seed) == ("gru", 8, 7, 3)
    shipped = Recipe.load("gru")
    assert (written.train.epochs, written.train.batch_tokens) == (1, 600)
    assert (written.sequence.dropout, written.train.patience) == (shipped.sequence.dropout, shipped.train.patience)
    histories = split.test.histories
    np.testing.assert_array_equal(fit()[0].score(histories), network.score(histories))
    stack = StackedRecommender.of([network, rule], split)
    stack.save(tmp_path / "run")
    np.testing.assert_array_equal(load(tmp_path / "run").score(histories), stack.score(histories))


@pytest.mark.parametrize("n_events", [20_000, 500_000])
def test_what_takes_its_place_is_the_network_over_ids_in_the_sizes_of_the_log(n_events: int) -> None:
    sizes = Sizes(n_events, 90, 2_000, 60.0)
    lines = [f"{name} train.max_minutes=20" for name in ("gru-text-ids", "gru")]
    over_both, over_ids = member_recipes(lines, seed=3, sizes=sizes)
    assert without_texts(over_both) == over_ids


def test_a_network_over_texts_alone_has_nothing_to_take_its_place() -> None:
    names = {name: without_texts(complete_recipe(Recipe.load(name))) for name in ("gru-text", "gru", "item-knn")}
    assert set(names.values()) == {None}


def test_a_member_whose_extra_is_missing_is_left_out(
    monkeypatch: pytest.MonkeyPatch, toy_split: Split, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "implicit", None)
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    model = fitted(toy_split, "als", "popularity")
    assert [member.kind for member in model.members] == ["popularity"]
    assert "pip install 'llmrec[baselines]'" in caplog.text


def test_a_member_that_cannot_be_made_for_want_of_an_extra_is_left_out(
    monkeypatch: pytest.MonkeyPatch, toy_split: Split
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise MissingExtra("implicit is not installed")

    monkeypatch.setattr(ALSRecommender, "from_recipe", refused)
    assert [member.kind for member in fitted(toy_split, "als", "popularity").members] == ["popularity"]


def test_what_cannot_be_fetched_is_known_before_a_network_is_trained(
    monkeypatch: pytest.MonkeyPatch, toy_split: Split, tmp_path: Path
) -> None:
    monkeypatch.setattr(GRURecommender, "_fit", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ModelError, match="no model folder"):
        fitted(toy_split, "gru", f"text-graph text.encoder={tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "names no recipe"),
        (["no-such"], "no recipe 'no-such'"),
        (["gru train.epoch=1"], "train.epoch"),
        (["rules"], "is stacked itself"),
        (["item-knn name='a"], "cannot be read"),
    ],
)
def test_bad_members_are_refused(members: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        from_recipe(stacked(*members))


def test_an_interrupted_fit_goes_on_with_the_next_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_split: Split
) -> None:
    recipe, out = stacked(QUICK_GRU, "item-knn", "markov"), tmp_path / "run"
    whole = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    with monkeypatch.context() as patch:
        stop_at(patch, sequential, "fit_network", 1)  # networks are fitted after the rules
        with pytest.raises(Stop):
            fit_run(recipe, toy_split.train, toy_split, out, progress=False)
    assert is_resumable(out)
    monkeypatch.setattr(MarkovRecommender, "_fit", lambda *_, **__: pytest.fail("fitted again"))
    fit_run(recipe, toy_split.train, toy_split, out, resume=True, progress=False)
    histories = toy_split.test.histories
    np.testing.assert_array_equal(load_run(out).score(histories), whole.score(histories))
    assert not out.with_name("run.work").exists()


def test_members_are_runs_of_their_own(tmp_path: Path, toy_split: Split) -> None:
    model = fitted(toy_split, QUICK_GRU, "item-knn")
    model.save(tmp_path / "run")
    again = load(tmp_path / "run" / "members" / "0-gru")
    histories = toy_split.test.histories
    np.testing.assert_array_equal(again.score(histories), model.members[0].score(histories))


def test_fitted_models_can_be_stacked(toy_split: Split) -> None:
    recipe = stacked("item-knn", "markov", "popularity")
    whole = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid)
    members = [from_recipe(Recipe.load(name)).fit(toy_split.train) for name in recipe.stack.members]
    again = StackedRecommender.of(members, toy_split)
    histories = toy_split.test.histories
    np.testing.assert_array_equal(again.score(histories), whole.score(histories))
    assert again.metadata["stack"] == whole.metadata["stack"]
    assert again.metadata["split"] == {"name": toy_split.name, "hash": toy_split.hash}
    of_other_events = from_recipe(Recipe.load("markov")).fit(toy_split.data)
    unfitted = from_recipe(Recipe.load("markov"))
    for bad in ([*members, of_other_events], [*members, unfitted], []):
        with pytest.raises(DataError, match="a stack needs"):
            StackedRecommender.of(bad, toy_split)


@pytest.mark.parametrize("first", ["popularity", "markov"])
def test_what_was_removed_from_one_member_is_removed(toy_split: Split, first: str) -> None:
    members = [from_recipe(Recipe.load(name)).fit(toy_split.train) for name in ("popularity", "markov")]
    gone = str(members[0].recommend(toy_split.test.histories, 1)["item_id"][0])
    members[1].remove_items([gone])
    in_order = members if first == "popularity" else members[::-1]
    stack = StackedRecommender.of(in_order, toy_split)
    assert gone not in stack.recommend(toy_split.test.histories, 10)["item_id"].to_list()


def test_a_stack_of_a_stack_has_its_members(toy_split: Split) -> None:
    inner = fitted(toy_split, "item-knn", "markov")
    popularity = from_recipe(Recipe.load("popularity")).fit(toy_split.train)
    outer = StackedRecommender.of([popularity, inner], toy_split)
    assert [member.kind for member in outer.members] == ["popularity", "item-knn", "markov"]


def test_seeds_costs_and_settings_are_those_of_the_members(toy_split: Split) -> None:
    model = fitted(toy_split, f"{QUICK_GRU} seed=7", "item-knn")
    assert [member.recipe.seed for member in model.members] == [7, 0]
    seconds = sum(member.metadata["cost"]["train_seconds"] for member in model.members)
    assert seconds < model.metadata["cost"]["train_seconds"] < seconds + 60  # weighing takes time, too
    other = fitted(toy_split, f"{QUICK_GRU} seed=7", "item-knn counting.half_life=3")
    assert model.seeded.settings != other.seeded.settings


def test_a_member_of_another_recipe_or_of_other_events_is_not_taken(tmp_path: Path, toy_split: Split) -> None:
    from_recipe(stacked("item-knn")).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    same = from_recipe(stacked("item-knn")).fit(toy_split.train, valid=toy_split.valid, work_dir=tmp_path)
    assert same.is_fitted
    with pytest.raises(ArtifactError, match="another recipe or on other events"):
        from_recipe(stacked("item-knn counting.half_life=3")).fit(toy_split.train, work_dir=tmp_path)
    with pytest.raises(ArtifactError, match="another recipe or on other events"):
        from_recipe(stacked("item-knn")).fit(toy_split.data, work_dir=tmp_path)


def test_what_members_read_of_known_histories_is_saved(tmp_path: Path) -> None:
    split = Split.leave_last_out(shop_events())
    quick = "sequence.dim=8 train.epochs=1 train.schedule=constant history.events=[behavior]"
    model = fitted(split, f"gru-events {quick}", *["popularity"] * 11)
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert isinstance(again, StackedRecommender)
    assert [member.kind for member in again.members] == ["gru-events", *["popularity"] * 11]
    np.testing.assert_array_equal(again.score(again.histories), model.score(split.train.histories))


def test_a_run_without_a_member_is_refused(tmp_path: Path, toy_split: Split) -> None:
    fitted(toy_split, "item-knn", "markov").save(tmp_path / "run")
    (tmp_path / "run" / "members" / "1-markov").rename(tmp_path / "run" / "members" / "1-x")
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("members/1-markov/", "members/1-x/"))
    with pytest.raises(ArtifactError, match="is not member 1 of this run"):
        load(tmp_path / "run")


def test_seen_items_are_no_alternatives_where_they_are_left_out() -> None:
    """Everyone walks on by one: among all items the last one would weigh as much as any, and it is never right."""
    rows = [(f"u{user}", str((user + time) % 30), time) for user in range(90) for time in range(8)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    split = Split.leave_last_out(Dataset.from_tables(table))
    model = fitted(split, "markov", "popularity")
    choices = choices_of(model.members, split.valid, np.zeros(30, dtype=np.int64), exclude_seen=True, seed=0)
    assert (np.isneginf(choices.log_weight).sum(axis=1) == 6).all()
    assert (choices.targets.sum(axis=1) == 1).all()


def test_a_large_catalog_is_sampled_and_gives_like_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from llmrec.models.stacking import features

    split = Split.leave_last_out(log_of(0.5, n_items=300))
    exact = weights_of(all_of(split, "markov", "popularity"))
    for name, value in {"ALL_UP_TO": 50, "BEST_OF_EACH": 20, "SAMPLED": 60}.items():
        monkeypatch.setattr(features, name, value)
    sampled = weights_of(all_of(split, "markov", "popularity"))
    assert sampled["markov"] == pytest.approx(exact["markov"], rel=0.15)
