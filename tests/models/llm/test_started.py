"""An LLM recipe starts from a run of another: its heads by name, its user states first, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.golden_cases import shop_events
from support.interruptions import Stop, assert_same_model, stop_at
from support.tiny_base import build_tiny_base

from llmrec import Recipe, Split, load
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.errors import DataError, RecipeError
from llmrec.models import LLMRecommender, from_recipe
from llmrec.models.llm.started import _Leader
from llmrec.models.runs import fit_run
from llmrec.models.start import Start
from llmrec.training import trainer
from llmrec.training.batching import Batch

MakeRecipe = Callable[..., Recipe]
STILL = ("train.epochs=1", "train.learning_rate=1e-12", "train.head_learning_rate=1e-12")
TEXT = ("history.local_blocks=1", "history.max_items=5")


def fit(recipe: Recipe, split: Split, out: Path, **options: object) -> LLMRecommender:
    model = fit_run(recipe, split.data, split, out, progress=False, **options)  # type: ignore[arg-type]
    assert isinstance(model, LLMRecommender)
    return model


@pytest.fixture(scope="module")
def soft(tiny_recipe: MakeRecipe, toy_split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("runs") / "soft"
    fit(tiny_recipe("soft", "train.epochs=3", "train.title_loss=0"), toy_split, folder)
    return folder


def test_it_begins_at_the_heads_of_the_run(
    soft: Path, tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path
) -> None:
    model, before = fit(tiny_recipe("text", *TEXT, *STILL), toy_split, tmp_path / "a", start_from=soft), load(soft)
    assert isinstance(before, LLMRecommender)
    np.testing.assert_allclose(model.item_vectors(), before.item_vectors(), atol=1e-4)
    ours, theirs = model.encoder.network, before.encoder.network
    for one in ("user_projection.weight", "bias", "log_temperature", "items.gate"):
        np.testing.assert_allclose(ours.get_parameter(one).detach(), theirs.get_parameter(one).detach(), atol=1e-5)
    assert model.metadata["started"]["run"] == "soft"
    assert "followed" not in model.metadata["started"]


@pytest.mark.parametrize("field", ["rating", "quantity"])
def test_heads_of_other_event_fields_begin_anew(field: str, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    """Also where there are as many values: a field's third value is not another's."""
    split = Split.leave_last_out(shop_events())
    before = LLMRecommender(tiny_recipe("soft", "history.events=[rating]", "train.epochs=2")).fit(split.train)
    before.save(tmp_path / "run")
    model = LLMRecommender(tiny_recipe("soft", f"history.events=[{field}]", *STILL))
    model.fit(Start.of(tmp_path / "run").begin(model, split).train)
    ours, theirs = (
        one.encoder.network.get_parameter("events.shifts.0.weight").detach() for one in (model, before)
    )
    assert ours.shape == theirs.shape
    assert float(theirs.abs().max()) > 1e-3
    np.testing.assert_allclose(ours, theirs if field == "rating" else 0 * theirs, atol=1e-6)


def test_nobody_is_validated_on_what_the_run_learned_before(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    """Of a run that went on from one whose training events are answers now."""
    films = toy_films(n_items=12, n_users=30)
    position, some = pl.int_range(pl.len()).over("user_id"), pl.col("user_id").is_in(["3", "4"])
    first, grown = (
        films.with_events(films.events.filter(position < pl.when(some).then(n).otherwise(4 + n))) for n in (2, 3)
    )
    split, still = Split.leave_last_out(grown), tiny_recipe("soft", *STILL)
    fit(still, Split.leave_last_out(first), tmp_path / "first")
    fit(still, split, tmp_path / "second", continue_from=tmp_path / "first")
    fit(tiny_recipe("text", *TEXT, *STILL), split, tmp_path / "third", start_from=tmp_path / "second")
    validated = Split.load(tmp_path / "third" / "split", grown).valid.histories.user_ids
    assert {*split.valid.histories.user_ids} - {*validated} == {"3", "4"}


def test_a_run_that_learned_titles_is_followed_in_windows_that_fill_it(
    tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path
) -> None:
    """Of the last target, which it writes, too, nothing fits then."""
    recipe = tiny_recipe("text", "train.epochs=1", "train.title_loss=0.5")
    LLMRecommender(recipe).fit(toy_split.train).save(tmp_path / "run")
    leader, batch = _Leader(Start.of(tmp_path / "run"), toy_split.train.histories), Batch(0, np.array([[0, 0, 4]]))
    encoder, whole = leader.model.encoder, leader.users(batch)
    encoder.max_tokens = len(encoder.serializer.prefix) + int(encoder.serializer.sizes(leader.sequences)[:4].sum())
    leader.check([batch])
    np.testing.assert_allclose(leader.users(batch)[:, :5], whole[:, :5], atol=1e-5)


@pytest.mark.slow
def test_it_follows_the_user_states_first(
    soft: Path, tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path
) -> None:
    """For longer than there are batches, too; the loss of the last epoch is nearer to that of the same states."""
    losses = []
    for steps in (1, 20):
        recipe = tiny_recipe("hybrid", *TEXT, f"train.follow_steps={steps}", "train.epochs=1")
        model = fit(
            recipe.with_values({"train.batch_tokens": 200}), toy_split, tmp_path / str(steps), start_from=soft
        )
        followed = model.metadata["started"]["followed"]
        assert followed["steps"] == steps
        losses.append(followed["loss"])
    assert 0 < losses[1] < 0.7 * losses[0]


@pytest.mark.slow
def test_an_interrupted_one_goes_on_in_either_stage(
    soft: Path,
    tiny_recipe: MakeRecipe,
    toy_split: Split,
    tmp_path: Path,
    save_always: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tiny_recipe("text", *TEXT, "train.follow_steps=3", "train.epochs=1", "train.batch_tokens=200")
    whole = fit(recipe, toy_split, tmp_path / "whole", start_from=soft)
    for name, call in (("following", 3), ("training", 6)):
        with monkeypatch.context() as patch, pytest.raises(Stop):
            stop_at(patch, trainer._JobTrainer, "compute_loss", call)
            fit(recipe, toy_split, tmp_path / name, start_from=soft)
        again = fit(recipe, toy_split, tmp_path / name, start_from=soft, resume=True)
        assert_same_model(again, whole, toy_split)
        assert again.metadata["started"]["followed"]["steps"] == 3


def test_what_it_cannot_start_from_is_one_line(
    soft: Path, tiny_recipe: MakeRecipe, toy_split: Split, quick_gru: Recipe, tmp_path: Path
) -> None:
    text = tiny_recipe("text", "train.epochs=1")
    others = Split.leave_last_out(toy_films(n_items=13, n_users=30))
    of_others = Split.leave_last_out(toy_films(n_items=12, n_users=31))  # the same items
    wide = build_tiny_base(tmp_path / "wide", width=64)
    fit_run(quick_gru, toy_split.data, toy_split, tmp_path / "gru", progress=False)
    cases: list[tuple[Recipe, Split, dict[str, object], str]] = [
        (text, others, {}, r"another catalog than that of .*: 1 items are in one of them only, e.g. '12'"),
        (text.with_values({"head.dim": 16}), toy_split, {}, "head.dim is 16 here and 32 there; make them equal"),
        (text.with_values({"backbone.base": str(wide)}), toy_split, {}, "is 32 wide, .* is 64 wide: start from"),
        (text, Split.by_name("user-disjoint", toy_split.data), {}, "it may have seen the answers"),
        (text, of_others, {}, "it may have seen the answers; name the data that it was fitted on"),
        (quick_gru, toy_split, {}, "only an LLM recipe starts from a run"),
        (text, toy_split, {"start_from": tmp_path / "gru"}, r"cannot start from .*gru \(gru\)"),
        (text, toy_split, {"continue_from": soft}, "give either --continue or --from"),
        (text.with_values({"train.follow_steps": 3}), toy_split, {"start_from": None}, "name it with --from RUN"),
    ]
    for recipe, split, options, said in cases:
        with pytest.raises((DataError, RecipeError), match=said) as refused:
            fit_run(
                recipe,
                split.data,
                split,
                tmp_path / "new",
                progress=False,
                **{"start_from": soft, **options},  # type: ignore[arg-type]
            )
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "new").exists()
        assert not (tmp_path / "new.work").exists()
    with pytest.raises(RecipeError, match="name it with --from RUN"):
        from_recipe(text.with_values({"train.follow_steps": 3})).fit(toy_split.train)


def test_the_command(
    soft: Path, tmp_path: Path, tiny_recipe: MakeRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    data, recipe = tmp_path / "data", tmp_path / "text.yaml"
    toy_films(n_items=12, n_users=30).save(data)
    recipe.write_text(tiny_recipe("text", *TEXT, *STILL).to_yaml(), encoding="utf-8")
    words = ["fit", str(recipe), "--data", str(data), "--from", str(soft)]
    assert run([*words, "--dry-run"]) == 2
    assert "leave out --from" in capsys.readouterr().err
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    assert load(tmp_path / "run").metadata["started"]["run"] == "soft"
