"""A base model small enough to train in seconds: the real transformers, peft, Trainer and faiss paths, offline."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from llmrec import Recipe, Split
from llmrec.data import toy_films

# Before torch is imported: toy networks are several times slower on two threads than on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before the contract suite is imported: its plain asserts should say what they compared.
pytest.register_assert_rewrite("llmrec.testing")

TINY_VOCABULARY = 320
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(autouse=True, scope="session")
def _float32_by_default() -> None:
    """Results of tests must not depend on whether this CPU multiplies bfloat16; tests of that switch it on."""
    import torch

    torch.cpu._is_amx_tile_supported = lambda: False  # type: ignore[attr-defined, method-assign]


def planted(split: Split, **parts: object) -> Split:
    """Return a split with another train, valid or test part: a fault to be caught."""
    faulty = replace(split)
    vars(faulty).update(parts)
    return faulty


def build_tiny_base(folder: Path, *, seed: int = 0, spread: float = 0.1, width: int = 32) -> Path:
    """Save a two-layer random Llama and a byte-level tokenizer, as any local base model would.

    ``spread`` of the weights: with small ones the frozen head could never be sure of a token.
    """
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    words = ["Film 01: Silent Harbor", "Film 12: Golden Garden", "Broken Mirror", "The user saw, in this order:"]
    trainer = trainers.BpeTrainer(
        vocab_size=TINY_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=[AddedToken(mark, special=True) for mark in special],
    )
    raw.train_from_iterator(words * 10, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ``backbone.base`` can name."""
    return build_tiny_base(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_recipe(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Recipe]:
    """Make a recipe that learns the toy films in seconds: ``tiny_recipe("soft", "train.epochs=2")``."""
    values = {
        "model": "llm",
        "backbone": {"base": str(tiny_base), "dtype": "float32"},
        "lora": {"r": 8, "alpha": 16},
        "history": {"max_items": 8, "max_tokens": 256},
        "head": {"dim": 32, "item_dropout": 0.0},
        "train": {
            "epochs": 6,
            "learning_rate": 5e-3,
            "head_learning_rate": 1e-2,
            "batch_tokens": 1200,
            "schedule": "constant",
            "patience": 100,
        },
    }
    path = tmp_path_factory.mktemp("recipes") / "tiny.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")

    def make(encoding: str = "soft", *changes: str) -> Recipe:
        return Recipe.load(path, set=[f"name=tiny-{encoding}", f"history.encoding={encoding}", *changes])

    return make


@pytest.fixture(scope="session")
def toy_split() -> Split:
    """Toy films, split leave-last-out: 12 films, 30 users."""
    return Split.leave_last_out(toy_films(n_items=12, n_users=30))


@pytest.fixture
def quick_gru() -> Recipe:
    """A GRU that learns the toy films in a second."""
    return Recipe.of(
        {
            "name": "quick",
            "model": "gru",
            "seed": 1,
            "sequence": {"dim": 24, "dropout": 0.1, "max_items": 10},
            "train": {"epochs": 12, "learning_rate": 2e-2, "batch_tokens": 120, "patience": 100},
        }
    )


@pytest.fixture
def gru_with(quick_gru: Recipe) -> Callable[..., Recipe]:
    """Change fields of the quick GRU's section ``train``: ``gru_with(epochs=2)``."""

    def change(**train: object) -> Recipe:
        return Recipe.of(quick_gru.model_dump() | {"train": quick_gru.train.model_dump() | train})

    return change


@pytest.fixture
def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training save a checkpoint after every step."""
    from llmrec.training import callback

    monkeypatch.setattr(callback, "SAVE_EVERY_SECONDS", 0.0)
