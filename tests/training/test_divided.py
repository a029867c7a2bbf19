"""Items and blocks divided over two processes: the training is that of one, and its checkpoints are for both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.interruptions import Stop, stop_at
from support.launching import Launched, assert_alike, fit_in_two, whole

import llmrec
from llmrec import Recipe, Split
from llmrec.data import toy_films
from llmrec.training import callback, trainer

LLM = ("train.epochs=2", "train.batch_tokens=400", "head.dropout=0", "lora.dropout=0")
SHARDS = "train.shard_items=true"
DIVIDED = {
    **dict.fromkeys(("gru", "texts", "soft-resumed", "finetuned", "sampled"), "items"),
    "fsdp": "blocks",
    "fsdp-resumed": "blocks",
}
STOPPED = {"average": "items", "fsdp-items": "blocks and items"}


@pytest.fixture(scope="module")
def split() -> Split:
    """More films than are recommended."""
    return Split.leave_last_out(toy_films(n_items=24, n_users=30))


@pytest.fixture(scope="module")
def launched(
    tmp_path_factory: pytest.TempPathFactory, split: Split, tiny_recipe: Callable[..., Recipe], tiny_base: Path
) -> Launched:
    """Two processes fit these one after the other, and stop in the middle of some; one process began others."""
    folder = tmp_path_factory.mktemp("divided")
    train = {"epochs": 3, "learning_rate": 2e-2, "batch_tokens": 60, "patience": 100, "shard_items": True}
    texts = {"encoder": str(tiny_base), "encoder_type": "causal"}
    with_ids = {"dim": 24, "dropout": 0.0, "max_items": 10, "id_residual": True, "item_dropout": 0.0}
    gru = {"model": "gru", "seed": 1, "sequence": {"dim": 24, "dropout": 0.0, "max_items": 10}, "train": train}
    recipes = {
        # Some batches have one window only: a process has none of its own.
        "gru": Recipe.of({**gru, "train": {**train, "accumulation": 2, "batch_tokens": 14}}),
        "average": Recipe.of({**gru, "model": "sasrec", "train": {**train, "schedule": "open_ended"}}),
        "texts": Recipe.of({**gru, "model": "gru-text", "sequence": with_ids, "text": texts}),
        "soft-resumed": tiny_recipe("soft", *LLM, "head.item_dropout=0.3", "history.repeat_bias=true", SHARDS),
        "finetuned": tiny_recipe("hybrid", *LLM, "head.item_encoder=finetuned", "train.epochs=1", SHARDS),
        "sampled": tiny_recipe("soft", *LLM, "train.negatives=5", SHARDS),
        "fsdp": tiny_recipe("text", *LLM, "train.title_loss=1", "train.pack=true", "train.epochs=1"),
        "fsdp-resumed": tiny_recipe("soft", *LLM, "backbone.gradient_checkpointing=true"),
        "fsdp-items": tiny_recipe("soft", *LLM, "train.accumulation=2", "train.schedule=open_ended", SHARDS),
    }
    options: dict[str, dict[str, object]] = {name: {} for name in recipes}
    for name in recipes:
        options[name] |= {"fsdp": True} if name.startswith("fsdp") else {}
        options[name] |= {"stops_at": 3} if name in STOPPED else {}
        if name.endswith("resumed"):
            options[name] |= {"resume": True}
            with pytest.MonkeyPatch.context() as patched, pytest.raises(Stop):
                patched.setattr(callback, "SAVE_EVERY_SECONDS", 0.0)
                stop_at(patched, trainer._JobTrainer, "compute_loss", 3)
                llmrec.fit(recipes[name], split.data, split, folder / name, progress=False)
    return fit_in_two(folder, split, recipes, options)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIVIDED)
def test_divided_training_is_that_of_one_process(launched: Launched, split: Split, name: str) -> None:
    """Also where one process began; what was fitted is loaded by one."""
    assert (launched.runs / name).is_dir(), launched.errors
    model = llmrec.load(launched.runs / name)
    assert_alike(model, whole(launched, name, split), split)
    assert model.metadata["cost"]["divided"] == DIVIDED[name]
    assert launched.codes == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED)
def test_one_process_goes_on_from_what_was_divided(launched: Launched, split: Split, name: str) -> None:
    run = launched.runs / name
    assert not run.exists()
    assert list(Path(f"{run}.work").glob("checkpoint-*/optimizer.pt")), launched.errors
    model = llmrec.fit(launched.recipes[name], split.data, split, run, resume=True, progress=False)
    assert_alike(model, whole(launched, name, split), split)
    assert "divided" not in model.metadata["cost"]
