"""Training goes on from a run: weights stay with their items, what is new is learned, bad input is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.interruptions import Stop, assert_same_model, stop_at

from llmrec import Dataset, Recipe, Split, load
from llmrec.data import Histories, toy_films
from llmrec.errors import ArtifactError, DataError, RecipeError
from llmrec.evaluation.continued import continued_table
from llmrec.models import Recommender, from_recipe
from llmrec.models.continuation import Continuation
from llmrec.models.fit_network import training_sequences
from llmrec.models.runs import fit_run
from llmrec.models.sequential.event_rnn import GRUEventRecommender
from llmrec.training.plan import Learned, plan
from llmrec.training.schedule import STEPS_BETWEEN
from llmrec.training.weight_average import WeightAverage

N_OLD = 12  # films of the old log


@pytest.fixture(scope="module")
def grown() -> tuple[Dataset, Dataset]:
    """A log of 12 films and 40 people, and what it grew to: 16 films in another order, 50 people, later events."""
    films = toy_films(n_items=16, n_users=50, length=9)
    code, position = pl.col("item_id").cast(pl.Int32), pl.int_range(pl.len()).over("user_id")
    early = films.events.filter(
        (code.cum_max().over("user_id") < N_OLD) & (position < 7) & (pl.col("user_id").cast(pl.Int32) < 40)
    )
    titles = films.catalog.table
    old = Dataset.from_tables(early, items=titles.head(N_OLD), name="old", keep_unseen_items=True)
    grown = Dataset.from_tables(films.events, items=titles.reverse(), name="grown", keep_unseen_items=True)
    return old, grown


def _fit(recipe: Recipe, data: Dataset, out: Path, **options: object) -> Recommender:
    return fit_run(recipe, data, Split.leave_last_out(data), out, progress=False, **options)  # type: ignore[arg-type]


def _unmoved(recipe: Recipe) -> Recipe:
    """Train one epoch at a rate at which nothing moves."""
    still = {"train.epochs": 1, "train.learning_rate": 1e-12}
    return recipe.with_values(still | ({"train.head_learning_rate": 1e-12} if recipe.model == "llm" else {}))


def _check_same_start(
    recipe: Recipe, grown: tuple[Dataset, Dataset], tmp_path: Path, *, but: Sequence[str] = ()
) -> None:
    """Before a step what goes on from a run scores old films, ``but`` some, as the run, whose items changed."""
    old, new = grown
    before = _fit(recipe, old, tmp_path / "old")
    changed = load(tmp_path / "old", journal=True)
    changed.remove_items(["5"])
    if recipe.model == "llm":
        changed.add_items(new.catalog.table.filter(pl.col("item_id") == "14"))
    continued = _fit(_unmoved(recipe), new, tmp_path / "new", continue_from=tmp_path / "old")
    histories = Histories.of([["3", "4", "5"], ["9"], []])
    ids = [item for item in before.catalog.ids if item not in but]
    here, there = continued.catalog.codes(ids), before.catalog.codes(ids)
    assert here.tolist() != there.tolist()
    np.testing.assert_allclose(continued.score(histories)[:, here], before.score(histories)[:, there], atol=2e-5)
    assert continued.metadata["continued"]["events"] == Split.leave_last_out(old).train.events.height


def test_a_network_begins_at_the_weights_of_its_run(
    grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe
) -> None:
    _check_same_start(quick_gru.with_values({"train.epochs": 2, "history.repeat_bias": True}), grown, tmp_path)


def test_a_network_begins_between_its_run_and_a_new_one(
    grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe
) -> None:
    still, old = _unmoved(quick_gru), tmp_path / "old"
    before = _fit(quick_gru.with_values({"train.epochs": 2}), grown[0], old)
    shrunk = still.with_values({"train.shrink": 0.25})
    models = [before, _fit(still, grown[1], tmp_path / "anew")]
    models.append(_fit(shrunk, grown[1], tmp_path / "new", continue_from=old))
    rows = [model.catalog.codes(before.catalog.ids) for model in models]
    items = [np.asarray(model.item_vectors())[codes] for model, codes in zip(models, rows, strict=True)]
    out = [model.network.out.weight.detach().numpy() for model in models]  # type: ignore[attr-defined]
    for of_run, new, result in (items, out):
        np.testing.assert_allclose(result, 0.25 * of_run + 0.75 * new, atol=1e-5)


@pytest.mark.parametrize("ids", [False, True])
def test_a_network_over_texts_encodes_others_as_its_run_did(
    ids: bool, grown: tuple[Dataset, Dataset], tmp_path: Path, tiny_base: Path
) -> None:
    """By the mean and the scale of the run's texts, not of those that there are now; residuals go along."""
    old, new = grown
    text = {"encoder": str(tiny_base), "encoder_type": "causal"}
    values = {"name": "texts", "model": "gru-text", "text": text, "train": {"epochs": 1}}
    recipe = Recipe.of(values | {"sequence": {"dim": 16, "max_items": 10, "id_residual": ids}})
    title = pl.when(pl.col("item_id") == "2").then(pl.lit("Quite another")).otherwise(pl.col("title"))
    retitled = new.catalog.table.with_columns(title=title)
    renamed = Dataset.from_tables(new.events, items=retitled, name="grown")
    _check_same_start(recipe, (old, renamed), tmp_path, but=["2"])


@pytest.mark.parametrize("change", ["head.item_encoder=frozen", "head.item_encoder=finetuned"])
def test_an_llm_begins_at_the_adapter_the_head_and_the_encodings_of_its_run(
    change: str, grown: tuple[Dataset, Dataset], tmp_path: Path, tiny_recipe: Callable[..., Recipe]
) -> None:
    _check_same_start(tiny_recipe("soft", "train.epochs=2", change), grown, tmp_path)


def test_a_network_over_events_keeps_bins_and_tasks(grown: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    """Also where the grown log has other ratings: their bins would be others if they were fitted anew."""
    old, new = (
        Dataset.from_tables(
            data.events.with_columns(rating=(pl.col("timestamp") // 60) % most + 1),
            items=data.catalog.table,
            name=data.name,
            keep_unseen_items=True,
        )
        for data, most in zip(grown, (5, 7), strict=True)
    )
    values = {"history": {"events": ["rating"]}, "tasks": ["rating"], "sequence": {"dim": 16, "max_items": 10}}
    recipe = Recipe.of({"name": "events", "model": "gru-events", "train": {"epochs": 1}, **values})
    before = _fit(recipe, old, tmp_path / "old")
    continued = _fit(_unmoved(recipe), new, tmp_path / "new", continue_from=tmp_path / "old")
    assert isinstance(before, GRUEventRecommender)
    assert isinstance(continued, GRUEventRecommender)
    assert continued.fields.bins == before.fields.bins
    assert continued.fields.tasks == before.fields.tasks
    known = Histories.from_events(new.events.filter(pl.col("item_id").is_in(before.catalog.ids)))
    rows = continued.catalog.codes(before.catalog.ids)
    np.testing.assert_allclose(continued.score(known)[:, rows], before.score(known), atol=2e-5)


def test_new_films_are_learned_at_a_part_of_the_cost(
    grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe
) -> None:
    old, new = grown
    before = _fit(quick_gru, old, tmp_path / "old")
    anew = _fit(quick_gru, new, tmp_path / "anew")
    short = quick_gru.with_values({"train.epochs": 6})
    continued = _fit(short, new, tmp_path / "new", continue_from=tmp_path / "old")
    table = continued_table(continued, before, Split.leave_last_out(new), anew=anew)
    ndcg = dict(zip(table["model"], table["ndcg@10"], strict=True))
    assert ndcg["continued"] > max(0.9, ndcg["before"] + 0.1)
    assert table["overlap@10"][0] == 1.0
    assert table["overlap@10"][1] < 1.0
    tokens = [sum(row["tokens"] for row in model.train_log) for model in (continued, anew)]
    assert tokens[0] < 0.6 * tokens[1]


def test_an_epoch_has_every_new_target_and_as_many_old_ones_as_replay_says(
    grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe
) -> None:
    old, new = grown
    _fit(quick_gru.with_values({"train.epochs": 1}), old, tmp_path / "old")
    train = Split.leave_last_out(new).train
    continuation = Continuation.of(tmp_path / "old")
    n_learned = continuation.learned(train)
    assert sum(n_learned.values()) == Split.leave_last_out(old).train.events.height
    model = load(tmp_path / "old")
    model.catalog = train.catalog
    sequences = training_sequences(model, train)
    n_events = np.array([n_learned[user] for user in train.histories.user_ids])
    for replay in (0.0, 0.25, 1e9):
        planned = plan(
            sequences,
            epochs=1,
            max_items=3,
            max_tokens=4,
            batch_tokens=50,
            learned=Learned(n_events, replay),
        )
        windows = np.concatenate([batch.windows for batch in planned])
        targets = {(user, t) for user, start, stop in windows for t in range(start + 1, stop + 1)}
        wanted = {(u, t) for u, n in enumerate(sequences.lengths()) for t in range(max(n_events[u], 1), n)}
        assert wanted <= targets
        old_targets = len(targets - wanted)
        everything = int((sequences.lengths() - 1).sum())
        if replay == 1e9:
            assert len(targets) == everything
        elif replay:
            assert 0.25 * len(wanted) <= old_targets <= 0.25 * len(wanted) + 3
        else:  # only what stands in a window with a new one
            assert old_targets < 0.5 * (everything - len(wanted))


def test_people_whose_events_are_others_are_learned_anew(
    grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = grown
    _fit(quick_gru.with_values({"train.epochs": 1}), old, tmp_path / "old")
    user = next(user for user in old.histories.user_ids if len(old.histories.of_user(user).events) > 4)
    changed = new.events.with_columns(
        item_id=pl.when(pl.col("user_id") == user).then(pl.lit("0")).otherwise(pl.col("item_id"))
    )
    data = Dataset.from_tables(changed, items=new.catalog.table, name="grown", keep_unseen_items=True)
    origin, split = Continuation.of(tmp_path / "old"), Split.leave_last_out(data)
    with caplog.at_level(logging.WARNING):
        origin.begin(from_recipe(quick_gru), split)
    assert origin.learned(split.train)[user] == 0
    assert "grown: 1 people have other events" in caplog.text


def test_an_average_of_weights_goes_on_from_the_run_s(
    grown: tuple[Dataset, Dataset],
    tmp_path: Path,
    gru_with: Callable[..., Recipe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its share is of all steps: as a new one it would be the weights after the first step alone."""
    old, new = grown
    recipe = gru_with(schedule="open_ended", epochs=10, patience=1)
    before = _fit(recipe, old, tmp_path / "old")
    best = max(before.train_log, key=lambda row: row["valid_ndcg@10"])["step"]
    steps: list[int] = []
    monkeypatch.setattr(WeightAverage, "update", lambda _, step: steps.append(step))
    longer = recipe.with_values({"train.schedule": "open_ended", "train.epochs": 5000, "train.patience": 1000})
    continued = _fit(longer, new, tmp_path / "new", continue_from=tmp_path / "old")
    assert steps[0] == best + 1
    lengths = Split.leave_last_out(new).train.histories.lengths()
    n_old = sum(max(n - 1, 0) for n in Continuation.of(tmp_path / "old").learned_events.histories.lengths())
    n_all = int((lengths - 1).sum())
    most = best * min(5 * (n_all - n_old), n_all) / n_old  # as many epochs as before, and then the next validation
    assert 0 <= continued.train_log[-1]["step"] - most < STEPS_BETWEEN + 3
    assert continued.metadata["continued"]["steps"] == best
    again = Continuation.of(tmp_path / "new")
    assert again.steps == best + max(continued.train_log, key=lambda row: row["valid_ndcg@10"])["step"]


def test_what_counts_is_fitted_anew(grown: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    old, new = grown
    recipe = Recipe.load("item-knn")
    _fit(recipe, old, tmp_path / "old")
    continued = _fit(recipe, new, tmp_path / "new", continue_from=tmp_path / "old")
    anew = _fit(recipe, new, tmp_path / "anew")
    histories = Histories.of([["3", "4"]])
    np.testing.assert_array_equal(continued.score(histories), anew.score(histories))


def test_a_stack_goes_on_member_by_member(
    grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe
) -> None:
    old, new = grown
    path = tmp_path / "gru.yaml"
    path.write_text(quick_gru.with_values({"train.epochs": 2}).to_yaml())
    recipe = Recipe.of({"name": "both", "model": "stacked", "stack": {"members": [str(path), "item-knn"]}})
    before = _fit(recipe, old, tmp_path / "old")
    continued = _fit(recipe, new, tmp_path / "new", continue_from=tmp_path / "old")
    assert continued.members[0].recipe == before.members[0].recipe  # type: ignore[attr-defined]
    assert continued.members[0].continuation.learned_events.histories.events.height  # type: ignore[attr-defined]
    assert len(continued.catalog) == 16


def test_an_interrupted_one_goes_on_and_only_from_the_same_run(
    grown: tuple[Dataset, Dataset],
    tmp_path: Path,
    quick_gru: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    save_always: None,
) -> None:
    old, new = grown
    recipe = quick_gru.with_values({"train.epochs": 2})
    _fit(recipe, old, tmp_path / "old")
    whole = _fit(recipe, new, tmp_path / "whole", continue_from=tmp_path / "old")
    with monkeypatch.context() as patched:
        stop_at(patched, Recommender, "save", 1)
        with pytest.raises(Stop):
            _fit(recipe, new, tmp_path / "new", continue_from=tmp_path / "old")
    with pytest.raises(ArtifactError, match="another run that it goes on from"):
        _fit(recipe, new, tmp_path / "new", resume=True)
    resumed = _fit(recipe, new, tmp_path / "new", resume=True, continue_from=tmp_path / "old")
    assert_same_model(resumed, whole, Split.leave_last_out(new))
    again = _fit(recipe, new, tmp_path / "new", resume=True, continue_from=tmp_path / "old")
    assert again.metadata["continued"] == whole.metadata["continued"]


def test_what_cannot_go_on_is_refused(grown: tuple[Dataset, Dataset], tmp_path: Path, quick_gru: Recipe) -> None:
    old, new = grown
    recipe, run = quick_gru.with_values({"train.epochs": 1}), tmp_path / "old"
    _fit(recipe, old, run)
    with pytest.raises(RecipeError, match=r"sequence.dim is 32 here and 24 there; continue by its own recipe"):
        _fit(recipe.with_values({"sequence.dim": 32}), new, tmp_path / "new", continue_from=run)
    with pytest.raises(RecipeError, match="model is 'popularity' here and 'gru' there"):
        _fit(Recipe.load("popularity"), new, tmp_path / "new", continue_from=run)
    with pytest.raises(DataError, match=r"no event that .* was not trained on"):
        _fit(recipe, old, tmp_path / "new", continue_from=run)
    other = toy_films(n_items=16, n_users=50, length=9, seed=5)
    with pytest.raises(DataError, match=r"does not hold the events .* give all events"):
        _fit(recipe, other, tmp_path / "new", continue_from=run)
    with pytest.raises(ArtifactError, match="there is no run"):
        _fit(recipe, new, tmp_path / "new", continue_from=tmp_path / "none")
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob("new*"))
