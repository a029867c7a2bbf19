"""Prompts and items that do not fit: one line before any training, or a stated cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from support.tiny_base import build_tiny_base

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.data import toy_films
from llmrec.errors import ModelError, PromptError, TrainingError
from llmrec.llm import encode
from llmrec.llm.serialize import MAX_ITEM_TOKENS
from llmrec.models import LLMRecommender


def test_a_prompt_longer_than_the_context_is_refused_before_training(
    tiny_recipe: Callable[..., Recipe], toy_split: Split, tmp_path: Path
) -> None:
    prompt = tmp_path / "long.yaml"
    prompt.write_text("{name: long, description: d, language: en, user: %s}" % ("word " * 200), encoding="utf-8")
    model = LLMRecommender(tiny_recipe("text", f"history.prompt={prompt}", "history.max_tokens=4096"))
    with pytest.raises(PromptError, match=r"before a history take \d{3,} tokens .* only 512 may be read"):
        model.fit(toy_split.train)
    assert not model.train_log


def test_an_item_text_of_ten_thousand_tokens_is_one_cut_item(tiny_recipe: Callable[..., Recipe]) -> None:
    toy_data = toy_films(n_items=4, n_users=3, length=4)
    titles = ["x y z " * 10_000, *toy_data.catalog.titles[1:]]
    items = toy_data.catalog.table.with_columns(title=pl.Series(titles))
    data = Dataset.from_tables(toy_data.events, items=items, keep_unseen_items=True)
    model = LLMRecommender(tiny_recipe("text", "train.epochs=1")).fit(data)
    assert model.encoder.serializer.item_tokens.lengths.max() == MAX_ITEM_TOKENS + 1
    assert model.recommend(Histories.of([["0"], ["1", "0"]]), 4).height == 5


def test_too_little_memory_for_the_catalog_names_the_field_to_change(
    tiny_recipe: Callable[..., Recipe], toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(*_: object, **__: object) -> None:
        torch.empty(10**15)  # more than any machine has

    monkeypatch.setattr(encode, "encode_item_texts", starved)
    with pytest.raises(TrainingError, match=r"out of memory with train\.batch_tokens=77: halve it"):
        LLMRecommender(tiny_recipe("soft", "train.batch_tokens=77")).fit(toy_split.train)


def test_training_goes_on_with_the_base_that_it_began_on(
    tiny_base: Path, tiny_recipe: Callable[..., Recipe], toy_split: Split, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    recipe, work = tiny_recipe("soft", f"backbone.base={base}", "train.epochs=1"), tmp_path / "work"
    LLMRecommender(recipe).fit(toy_split.train, work_dir=work)
    LLMRecommender(recipe).fit(toy_split.train, work_dir=work)
    build_tiny_base(base, seed=1)
    with pytest.raises(ModelError, match=r"work was begun on another '.*base' .*train anew"):
        LLMRecommender(recipe).fit(toy_split.train, work_dir=work)
