"""What many tests share: toy films, a tiny base model, and recipes that train in seconds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import support.threads  # noqa: F401  (before what imports numpy and polars)
import yaml
from support.tiny_base import build_tiny_base

from llmrec import Recipe, Split
from llmrec.data import toy_films

# What is imported and collected stays, and every module ends with a collection: few are needed in between.
gc.set_threshold(50_000, 20, 100)
# Before these are imported: their plain asserts should say what they compared.
pytest.register_assert_rewrite("llmrec.testing", "support.interruptions")


# Of the contract's tests this one imports everything anew for each kind of model: by default for these only.
IN_ANOTHER_PROCESS = "test_two_processes_load_the_same_scores"
IN_ANOTHER_PROCESS_BY_DEFAULT = ("TestLinear", "TestGRU", "TestLLMSoft")
# These fit again: by default not for networks that differ from another one in their cell, blocks or input alone.
FIT_AGAIN = (
    "test_a_second_fit_forgets_the_first",
    "test_fit_changes_none_of_its_inputs",
    "test_the_same_seed_gives_the_same_scores",
)
LIKE_ANOTHER = (
    *("TestLSTM", "TestLSTMEvents", "TestLSTMText", "TestGRUTextEvents", "TestESASRec", "TestBERT4Rec"),
    *("TestLLMHybrid", "TestLLMText", "TestGenerativeRanking"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.parent.name if item.parent is not None else ""
        anew = item.name == IN_ANOTHER_PROCESS and kind not in IN_ANOTHER_PROCESS_BY_DEFAULT
        if anew or (item.name in FIT_AGAIN and kind in LIKE_ANOTHER):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="session")
def _float32_by_default() -> None:
    """Results of tests must not depend on whether this CPU multiplies bfloat16; tests of that switch it on."""
    import torch

    torch.cpu._is_amx_tile_supported = lambda: False


@pytest.fixture(autouse=True, scope="session")
def _imports_outside_collection() -> None:
    """Leave what is imported out of garbage collection: accelerate collects before every training, 0.3 s each."""
    from llmrec.llm.peft_import import import_peft

    import_peft(quantized=False)
    from transformers import Trainer  # noqa: F401

    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _module_outside_collection() -> Iterator[None]:
    """Leave out what a module imported, too, and what is noted of its tests."""
    yield
    gc.collect()
    gc.freeze()


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
