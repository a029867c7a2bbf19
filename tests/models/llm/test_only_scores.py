"""A run that is asked for scores alone is read without transformers and peft, and scores the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from llmrec import Histories, Recipe, Split, load
from llmrec.config import BackboneConfig
from llmrec.errors import ArtifactError, DataError
from llmrec.llm.adapter_files import SavedAdapter
from llmrec.llm.bases import Base
from llmrec.llm.plain_llama import PlainLlama
from llmrec.llm.plain_reading import PlainTokenizer, read_plain
from llmrec.llm.weights import load_tokenizer
from llmrec.models import LLMRecommender, MarkovRecommender, StackedRecommender
from llmrec.models.runs import change_items

MakeRecipe = Callable[..., Recipe]
NEW = pl.DataFrame({"item_id": ["new"], "title": ["Film 99: New"]})
HISTORIES = Histories.of([["3", "4", "5"], [], ["0", "1", "2", "5", "7", "9", "10", "11", "3"], ["6"]])


def fitted(make: MakeRecipe, split: Split, run: Path, encoding: str = "soft", *changes: str) -> Path:
    LLMRecommender(make(encoding, "train.epochs=1", *changes)).fit(split.train).save(run)
    return run


@pytest.fixture(scope="module")
def soft(tiny_recipe: MakeRecipe, toy_split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tiny_recipe, toy_split, tmp_path_factory.mktemp("soft") / "run")


def read_for_scores(run: Path) -> tuple[Any, bool]:
    """Load a run for scores; also say whether its blocks are those in plain PyTorch."""
    model: Any = load(run).for_scores()
    return model, isinstance(model.encoder.network.model, PlainLlama)


@pytest.mark.parametrize("changes", [("text", "backbone.layers=1"), ("hybrid", "lora.rslora=true")])
def test_scores_and_variants_are_the_same(
    tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path, changes: tuple[str, ...]
) -> None:
    run = fitted(tiny_recipe, toy_split, tmp_path / "run", *changes)
    assert_same(run)


def test_so_are_those_of_a_soft_history(soft: Path) -> None:
    assert_same(soft)


def assert_same(run: Path) -> None:
    whole: Any = load(run)
    (plain, is_plain) = read_for_scores(run)
    assert is_plain
    np.testing.assert_allclose(plain.score(HISTORIES), whole.score(HISTORIES), atol=1e-5)
    np.testing.assert_allclose(plain.score_variants(HISTORIES), whole.score(HISTORIES), atol=1e-4)
    lists = plain.recommend(HISTORIES, 5), whole.recommend(HISTORIES, 5)
    assert lists[0].drop("score").equals(lists[1].drop("score"))
    tokens = [one.encoder.serializer.item_tokens.tokens for one in (plain, whole)]
    np.testing.assert_array_equal(*tokens)


@pytest.mark.slow  # a process of its own; by default those above say which blocks are read
def test_the_command_imports_neither(soft: Path) -> None:
    program = (
        "import sys\nfrom llmrec.cli.app import run\n"
        "code = run(['recommend', sys.argv[1], '--user', '3', '-k', '2', '--explain'])\n"
        "assert code == 0 and 'torch' in sys.modules, code\n"
        "assert not {'transformers', 'peft', 'accelerate'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", program, soft], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Film" in done.stdout


def test_what_needs_more_is_read_whole(
    soft: Path, tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path
) -> None:
    listed = fitted(tiny_recipe, toy_split, tmp_path / "listed", "soft", "lora.targets=[q_proj,v_proj]")
    model, is_plain = read_for_scores(listed)
    assert not is_plain
    np.testing.assert_allclose(model.score(HISTORIES), load(listed).score(HISTORIES), atol=1e-5)
    shutil.copytree(soft, tmp_path / "grown")
    change_items(tmp_path / "grown", "add", NEW)
    grown, is_plain = read_for_scores(tmp_path / "grown")
    assert not is_plain, "texts of new items are encoded without the adapter"
    assert grown.score(HISTORIES).shape == (4, 13)


def test_what_needs_the_whole_model_is_refused_in_a_line(soft: Path, tmp_path: Path) -> None:
    model, is_plain = read_for_scores(soft)
    assert is_plain
    uses = (lambda: model.save(tmp_path / "copy"), model.session, lambda: model.add_items(NEW))
    for use in uses:
        with pytest.raises(DataError, match=r"was read for scores alone and .*; load it without for_scores\(\)"):
            use()
    assert list(tmp_path.iterdir()) == []


def test_tokens_after_cached_ones_need_a_mask(soft: Path) -> None:
    blocks: Any = read_for_scores(soft)[0].encoder.network.model
    embedded, cache = torch.randn(1, 5, blocks.config.hidden_size), blocks.empty_cache()
    whole = blocks(embedded).last_hidden_state
    blocks(embedded[:, :4], cache=cache)
    with pytest.raises(ValueError, match="attention_mask and position_ids must say what is read"):
        blocks(embedded[:, 4:], cache=cache)
    read = {"attention_mask": torch.ones(1, 5), "position_ids": torch.tensor([[4]])}
    last = blocks(embedded[:, 4:], cache=cache, **read).last_hidden_state
    torch.testing.assert_close(last[:, 0], whole[:, 4], atol=1e-5, rtol=0)


def test_members_of_a_stack_are_read_so(soft: Path, toy_split: Split, tmp_path: Path) -> None:
    stack = StackedRecommender.of([load(soft), MarkovRecommender().fit(toy_split.train)], toy_split)
    stack.save(tmp_path / "stack")
    model: Any = load(tmp_path / "stack").for_scores()
    np.testing.assert_allclose(model.score(HISTORIES), stack.score(HISTORIES), atol=1e-4)
    assert isinstance(model.members[0].encoder.network.model, PlainLlama)


def parts(run: Path) -> tuple[BackboneConfig, Base, SavedAdapter]:
    model: Any = load(run)
    recipe = model.recipe
    return recipe.backbone, model.state.base, SavedAdapter(run / "adapter", recipe.lora)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}),
        ("config.json", {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}),
        ("config.json", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),  # before what parameters say
        ("config.json", {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}}),
        ("config.json", {"hidden_act": "gelu"}),
        ("config.json", {"model_type": "mistral"}),
        ("config.json", {"num_hidden_layers": "many"}),
        ("tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"}),
    ],
)
def test_other_models_are_left_to_transformers(
    soft: Path, tmp_path: Path, file: str, change: dict[str, Any]
) -> None:
    settings, base, adapter = parts(soft)
    shutil.copytree(base.location, tmp_path / "base")
    path = tmp_path / "base" / file
    assert read_plain(settings, Base("base", str(tmp_path / "base"), ""), adapter) is not None
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert read_plain(settings, Base("base", str(tmp_path / "base"), ""), adapter) is None


def test_an_adapter_that_does_not_fit_is_refused_as_ever(soft: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    settings, base, adapter = parts(soft)
    shutil.copytree(adapter.folder, tmp_path / "adapter")
    saved = SavedAdapter(tmp_path / "adapter", adapter.settings)
    path = saved.folder / "adapter_model.safetensors"
    weights = load_file(path)
    name = min(weights)
    for broken, message in (
        ({name: torch.full_like(weights[name], torch.nan)}, "holds NaN"),
        ({name: weights[name][:, :-1].contiguous()}, "does not fit this base model"),
        ({"more": weights[name].clone()}, "'more' is"),
    ):
        save_file(weights | broken, path)
        with pytest.raises(ArtifactError, match=message):
            read_plain(settings, base, saved)


def test_texts_are_tokenized_as_by_transformers(tiny_base: Path) -> None:
    plain, whole = PlainTokenizer.of(tiny_base), load_tokenizer(str(tiny_base))
    assert plain is not None
    texts = ["Film 01: Silent Harbor\n", "<|im_end|> is a title", "Amélie  (2001)", ""]
    for options in ({"add_special_tokens": False, "split_special_tokens": True}, {"add_special_tokens": False}):
        assert plain(texts, **options)["input_ids"] == whole(texts, **options)["input_ids"]
    ids = plain("Film\n", add_special_tokens=False)["input_ids"]
    assert plain.decode(ids) == whole.decode(ids) == "Film\n"
