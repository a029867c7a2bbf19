"""What a history's lines say of an item apart from what its vector encodes, and lines that say nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from llmrec import Dataset, Histories, Recipe, load
from llmrec.data import toy_films
from llmrec.llm.serialize import MAX_ITEM_TOKENS
from llmrec.models import LLMRecommender

MakeRecipe = Callable[..., Recipe]
LEAN = ("history.item_prompt=title", "head.item_prompt=item", "train.epochs=1")


def toy(**columns: list[str]) -> Dataset:
    """Four films with other columns."""
    data = toy_films(n_items=4, n_users=6, length=4)
    items = data.catalog.table.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return Dataset.from_tables(data.events, items=items, keep_unseen_items=True)


@pytest.fixture(scope="module")
def with_genres() -> Dataset:
    return toy(genres=["Drama", "Comedy", "Drama", "Western"])


def test_histories_say_titles_and_vectors_encode_all(
    tiny_recipe: MakeRecipe, with_genres: Dataset, tmp_path: Path
) -> None:
    """Also of a run whose tokens were written to a file, as a fit into a folder does."""
    whole = LLMRecommender(tiny_recipe("text", "train.epochs=1")).fit(with_genres)
    lean = LLMRecommender(tiny_recipe("text", *LEAN)).fit(with_genres, work_dir=tmp_path / "work")
    ours, theirs = lean.encoder.serializer, whole.encoder.serializer
    assert ours.costs().sum() < theirs.costs().sum() == ours.encoded.lengths.sum()
    np.testing.assert_array_equal(lean.state.encodings.texts, whole.state.encodings.texts)
    assert "| Western" not in lean.prompt_example(Histories.of([["0", "3"]]))["text"]
    assert "| Western" in whole.prompt_example(Histories.of([["0", "3"]]))["text"]
    lean.save(tmp_path / "run")
    again, histories = load(tmp_path / "run"), Histories.of([["0", "3"], []])
    np.testing.assert_allclose(again.score(histories), lean.score(histories), atol=1e-4)
    prompts = list(yaml.safe_load_all((tmp_path / "run" / "prompt.yaml").read_text()))
    assert [one["name"] for one in prompts] == ["history", "title", "item"]


def test_a_genre_that_changes_is_encoded_and_not_written(tiny_recipe: MakeRecipe, with_genres: Dataset) -> None:
    model = LLMRecommender(tiny_recipe("text", *LEAN)).fit(with_genres)
    lines, texts = model.encoder.serializer.item_tokens, model.state.encodings.texts
    model.update_items(with_genres.catalog.table[:1].with_columns(genres=pl.lit("Horror")))
    assert np.array_equal(lines.tokens, model.encoder.serializer.item_tokens.tokens)
    assert (model.state.encodings.texts != texts).any(axis=1).tolist() == [True, False, False, False]


@pytest.mark.parametrize("encoding", ["text", "hybrid"])
@pytest.mark.parametrize(
    ("genres", "length"),
    [
        (["Same"] * 4, None),
        (["", "Drama", "Comedy", "Western"], 1),
        (["x y z " * 10_000, "Drama", "Comedy", "Western"], MAX_ITEM_TOKENS + 1),
    ],
    ids=["all equal", "one without", "one of ten thousand words"],
)
def test_odd_lines_are_read_by_local_blocks(
    encoding: str, genres: list[str], length: int | None, tiny_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """A line without words is its newline; a long one is cut; items of equal ones differ by their vectors."""
    prompt = tmp_path / "genres.yaml"
    fields = {"name": "genres", "description": "d", "language": "en", "variables": ["item"]}
    prompt.write_text(yaml.safe_dump({**fields, "user": '{{ item.get("genres", "") }}'}), encoding="utf-8")
    local = "history.local_blocks=1", "history.boundary_states=both", f"history.item_prompt={prompt}"
    model = LLMRecommender(tiny_recipe(encoding, *local, "train.epochs=1")).fit(toy(genres=genres))
    lengths = model.encoder.serializer.item_tokens.lengths
    assert lengths[0] == (length or lengths[1])
    assert np.isfinite(model.score(Histories.of([["0"], ["1", "0"], []]))).all()
    assert model.recommend(Histories.of([["1", "0"]]), 4).height == 2
