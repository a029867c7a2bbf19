"""What Python's user types first: what is accepted, what is named in one line, and what is shown of a value."""

from __future__ import annotations

import datetime
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import llmrec
from llmrec import Dataset, Recipe, Split
from llmrec.data import Histories, toy_films
from llmrec.errors import DataError, RecipeError
from llmrec.models import Recommender, from_recipe
from llmrec.models.baselines.markov import MarkovRecommender

TOY = toy_films(n_items=12, n_users=30)
SPLIT = Split.leave_last_out(TOY)


@pytest.fixture(scope="module")
def markov() -> Recommender:
    return MarkovRecommender().fit(SPLIT.train)


def test_a_split_is_fitted_on_its_training_part(markov: Recommender) -> None:
    np.testing.assert_array_equal(
        MarkovRecommender().fit(SPLIT).score(SPLIT.test), markov.score(SPLIT.test.histories)
    )
    with pytest.raises(
        DataError, match=r"fit takes a Dataset or a Split, not a DataFrame; write Dataset.from_tables"
    ):
        MarkovRecommender().fit(TOY.events)  # type: ignore[arg-type]


def test_a_recipe_is_fitted_by_its_name(tmp_path: Path) -> None:
    model = llmrec.fit("markov", TOY, SPLIT, tmp_path / "run", progress=False)
    assert model.recipe.name == Recipe.load("markov").name
    for words, message in [
        ((7, TOY, SPLIT), "recipe is a Recipe, not a int"),
        (("markov", TOY.events, SPLIT), "data is a Dataset, not a DataFrame"),
        (("markov", TOY, TOY), "split is a Split, not a Dataset"),
        (("markov", toy_films(n_items=13, n_users=30), SPLIT), "the split is of 'toy-films', not of these events"),
    ]:
        with pytest.raises(DataError, match=message):
            llmrec.fit(*words, tmp_path / "other", progress=False)  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()


def test_parts_of_the_package_are_reached_from_it() -> None:
    """Also those that nothing has imported yet."""
    words = "import llmrec; d = llmrec.data; print(d.splits.Split is d.Split, d.toy.toy_films is d.toy_films)"
    printed = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    assert printed == "True True\n"
    with pytest.raises(AttributeError, match="no attribute 'Dataste'; did you mean Dataset"):
        llmrec.data.Dataste  # noqa: B018


def test_histories_are_read_wherever_they_are_given(markov: Recommender) -> None:
    als = from_recipe(Recipe(model="als")).fit(SPLIT)
    histories = Histories.of([["3", "4"]])
    np.testing.assert_array_equal(als.embed_users([["3", "4"]]), als.embed_users(histories))
    np.testing.assert_array_equal(als.embed_users("3"), als.embed_users(als.histories.of_user("3")))
    recs = markov.recommend([["3", "4"]], 1)
    assert llmrec.explain(markov, recs, [["3", "4"]]).table.equals(llmrec.explain(markov, recs, histories).table)


def test_one_model_is_evaluated(markov: Recommender) -> None:
    report = llmrec.evaluate(markov, SPLIT, date=datetime.date(2026, 1, 1))
    assert report.table["model"].to_list() == ["markov"]
    with pytest.raises(DataError, match=r"evaluate takes a model, or models by name as in .*, not a list"):
        llmrec.evaluate([markov], SPLIT)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"evaluate judges on a Split, not a Dataset; write Split.leave_last_out"):
        llmrec.evaluate(markov, TOY)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the split none holds nothing out to judge by"):
        llmrec.evaluate(markov, Split.none(TOY))
    shown = report._repr_html_()
    assert "markov scores 1.000 in NDCG@10" in shown
    assert "<th>ndcg@10</th>" in shown


def test_frames_become_data() -> None:
    frame = pd.DataFrame(TOY.events.to_dict(as_series=False))
    assert Dataset.from_pandas(frame, items=TOY.catalog.table, name="toy-films").fingerprint == TOY.fingerprint
    assert Dataset.from_polars(TOY.events, items=TOY.catalog.table).fingerprint == TOY.fingerprint
    with pytest.raises(DataError, match=r"of cleaned tables; write Dataset.from_tables\(events, items=items\)"):
        Dataset(TOY.events, TOY.catalog.table)  # type: ignore[arg-type]


def test_a_recipe_s_changes_as_a_dictionary() -> None:
    changes = {"train.epochs": 3, "sequence.dim": 16, "train.max_minutes": None}
    recipe = Recipe.load("gru", set=changes)
    assert (recipe.train.epochs, recipe.sequence.dim, recipe.train.max_minutes) == (3, 16, None)
    assert recipe == Recipe.load("gru", set=["train.epochs=3", "sequence.dim=16", "train.max_minutes=null"])
    with pytest.raises(RecipeError, match=r"train.epoch: no such field; did you mean train.epochs\?"):
        Recipe.load("gru", set={"train.epoch": 3})
    for wrong in ("train.epochs=3", [3]):
        with pytest.raises(RecipeError, match=r"write set=\{'train.epochs': 3\} or set=\['train.epochs=3'\]"):
            Recipe.load("gru", set=wrong)  # type: ignore[arg-type]


def test_values_are_shown_in_a_line(markov: Recommender) -> None:
    assert repr(TOY.histories) == "Histories(30 users, 240 events)"
    assert repr(SPLIT) == "Split(leave-last-out of toy-films: 240 events)"
    assert repr(Recipe.load("gru")) == str(Recipe.load("gru"))
    assert repr(Recipe.load("gru")) == "Recipe(gru: model=gru, seed=0, sets sequence, train)"
    assert repr(markov) == "MarkovRecommender(fitted on toy-films, 12 items)"
    assert repr(MarkovRecommender()) == "MarkovRecommender(not fitted)"


def test_values_are_shown_in_a_notebook() -> None:
    items = pl.DataFrame({"item_id": ["1", "2"], "title": ["<b>&", "B" * 200]})
    shown = Dataset.from_tables({"user_id": ["a", "a"], "item_id": ["1", "2"]}, items=items)._repr_html_()
    assert "<td>&lt;b&gt;&amp;</td>" in shown
    assert "B" * 79 + "…" in shown
    assert "B" * 81 not in shown
    histories = Histories.of({str(n): ["1", "2"] for n in range(7)})._repr_html_()
    assert "<td>2, 1</td>" in histories
    assert histories.count("<tr>") == 6
    assert "<td>train</td><td>180</td>" in SPLIT._repr_html_()
    assert Histories.of({})._repr_html_()


def test_wrong_names_are_told_the_right_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'GRURecomender'; did you mean GRURecommender\?"):
        llmrec.models.GRURecomender  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'Markov'; did you mean MarkovRecommender\?"):
        llmrec.models.Markov  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'evalute'; did you mean evaluate\?"):
        llmrec.evalute  # noqa: B018
    assert {"GRURecommender", "LLMRecommender", "load"} <= set(dir(llmrec.models))


@pytest.mark.parametrize("kind", ["gru", "als", "sasrec", pytest.param("gru-text", marks=pytest.mark.slow)])
def test_the_product_of_vectors_is_the_score(kind: str) -> None:
    if kind == "als":
        pytest.importorskip("implicit")
    small = {"sequence.dim": 8, "train.epochs": 1} if kind != "als" else {}
    model = from_recipe(Recipe.load(kind, set=small)).fit(SPLIT)
    vectors = model.vectors(SPLIT.test)
    np.testing.assert_allclose(vectors.users @ vectors.items.T, model.score(SPLIT.test), rtol=1e-4, atol=1e-4)
    assert vectors.item_ids == model.catalog.ids
    assert vectors.user_ids == list(SPLIT.test.histories.user_ids)
    assert model.vectors(space="model").items.shape[1] == model.item_vectors().shape[1]  # type: ignore[union-attr]
    with pytest.raises(DataError, match="there is no space 'cosine'; choose inner_product or model"):
        model.vectors(space="cosine")


def test_models_without_vectors_say_so(markov: Recommender) -> None:
    with pytest.raises(DataError, match="markov models have no vectors of users"):
        markov.vectors()


@pytest.mark.slow
def test_a_run_is_loaded_without_a_warning(tmp_path: Path, tiny_base: Path) -> None:
    values = {"backbone.base": str(tiny_base), "train.epochs": 1, "head.dim": 8, "lora.r": 2}
    from_recipe(Recipe.load("smollm2-135m-soft", set=values)).fit(SPLIT).save(tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = llmrec.load(tmp_path / "run").prepare()
    vectors = model.vectors(SPLIT.test)
    np.testing.assert_allclose(vectors.users @ vectors.items.T, model.score(SPLIT.test), rtol=1e-4, atol=1e-4)
