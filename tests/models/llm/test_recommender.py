"""The LLM recommender: one pass equals many, the losses by hand, the artifact, the index."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, Split, load
from llmrec.data import Sequences, toy_films
from llmrec.errors import ArtifactError, DataError, ModelError
from llmrec.llm.weights import load_causal_lm
from llmrec.models import LLMRecommender
from llmrec.models.base import Recommender
from llmrec.models.fit_network import ndcg_on
from llmrec.models.llm.item_loss import Losses
from llmrec.models.ranking import table_of
from llmrec.models.tensors import read_tensors, write_tensors
from llmrec.resources.cache import sha256_of
from llmrec.training.batching import IGNORE, Batch, inputs_and_targets

ENCODINGS = ("text", "soft", "hybrid")


@pytest.fixture(scope="module", params=ENCODINGS)
def model(request: pytest.FixtureRequest, tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    title_loss = 0.0 if request.param == "soft" else 0.5
    recipe = tiny_recipe(request.param, "train.epochs=1", f"train.title_loss={title_loss}", "history.max_items=4")
    return LLMRecommender(recipe).fit(toy_split.train)


@pytest.fixture(scope="module")
def soft(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    return LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train)


def sequences_of(model: LLMRecommender, *items: list[str]) -> Sequences:
    return Sequences.encode(Histories.of(list(items)), model.catalog)


def batch_of(model: LLMRecommender, sequences: Sequences) -> dict[str, torch.Tensor]:
    windows = np.array([[user, 0, length - 1] for user, length in enumerate(sequences.lengths())])
    return model.encoder.collate(sequences, Batch(0, windows))


def test_one_pass_over_a_history_is_a_pass_after_every_item(model: LLMRecommender) -> None:
    """Every position's loss is that of the shortened history alone: nothing looks ahead, nothing is shifted."""
    sequences = sequences_of(model, ["3", "4", "9", "1"], ["7", "2"])
    network = model.encoder.network
    batch = batch_of(model, sequences)
    losses, network.losses = network.losses, Losses()
    with torch.no_grad():
        loss = float(network(**batch))
    network.losses = losses
    each = []
    for user in range(2):
        items = [model.catalog.ids[code] for code in sequences[user]]
        for place, answer in enumerate(items):
            scores = model.score(Histories.of([items[:place]]))[0].astype(np.float64)
            each.append(np.log(np.exp(scores).sum()) - scores[model.catalog.code(answer)])
    assert loss == pytest.approx(np.mean(each), abs=1e-4)


def test_padding_changes_nothing(model: LLMRecommender) -> None:
    histories = Histories.of([["3"], ["3", "4", "5", "6"], [], ["8", "1"]])
    together = model.embed_users(histories)
    alone = np.concatenate([model.embed_users(histories.take([n])) for n in range(4)])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_the_order_of_a_history_matters(model: LLMRecommender) -> None:
    one, other = model.score(Histories.of([["3", "4"], ["4", "3"]]))
    assert np.abs(one - other).max() > 1e-3


def test_only_the_newest_items_are_read(model: LLMRecommender) -> None:
    newest = ["5", "6", "7", "8"]
    one, other = model.score(Histories.of([["1", "2", *newest], newest]))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_token_budget_drops_whole_old_items(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    model = LLMRecommender(tiny_recipe("text", "train.epochs=1", "history.max_tokens=80")).fit(toy_split.train)
    sequences = sequences_of(model, [str(n) for n in range(8)])
    kept = model.encoder.windows(sequences).sequences[0].tolist()
    assert kept
    assert kept == sequences[0].tolist()[-len(kept) :]
    room = 80 - len(model.encoder.serializer.prefix)
    costs = model.encoder.serializer.costs()
    assert costs[kept].sum() <= room < costs[kept].sum() + costs[sequences[0][-len(kept) - 1]]
    assert model.prompt_example(Histories.of([[str(n) for n in range(8)]]))["tokens"] <= 80


def test_the_index_answers_like_the_dense_scores(model: LLMRecommender) -> None:
    histories = Histories.of([["3", "4"], [], ["0", "1", "2", "5", "7"], ["no such item"]])
    for k in (1, 5, 50):
        found, best = model.recommend(histories, k), Recommender._ranked(model, histories, k, exclude_seen=True)
        dense = table_of(list(histories.user_ids), model.catalog, *best)
        assert found.schema == dense.schema
        assert found.drop("score").equals(dense.drop("score"))
        np.testing.assert_allclose(found["score"], dense["score"], rtol=1e-4, atol=1e-4)
    assert model.recommend(Histories.of([]), 5).is_empty()


def test_similar_items_by_the_index_are_those_by_cosine(model: LLMRecommender) -> None:
    codes = np.array([0, 3], dtype=np.int64)
    found = model._nearest(codes, 4, model.item_vectors())
    dense = Recommender._nearest(model, codes, 4, model.item_vectors())
    np.testing.assert_array_equal(found[0], dense[0])
    np.testing.assert_allclose(found[1], dense[1], atol=1e-5)


def test_an_item_without_an_event_is_scored_by_its_text(model: LLMRecommender) -> None:
    import torch

    tower = model.encoder.network.items
    with torch.inference_mode():
        text = tower.text(tower.texts)
        tower.known[2] = False
        unseen = tower()
        tower.known[2] = True
        seen = tower()
    assert torch.equal(unseen[2], text[2])
    assert not torch.equal(seen[2], text[2])


def test_the_prompt_can_be_shown(model: LLMRecommender) -> None:
    shown = model.prompt_example(Histories.of([["3", "4"]]))
    assert shown["encoding"] == model.recipe.history.encoding
    assert all(title in shown["text"] for title in model.catalog.titles[3:5])
    assert shown["tokens"] == model.encoder.serialized(sequences_of(model, ["3", "4"]), 0).n_tokens
    with pytest.raises(DataError, match="no history"):
        model.prompt_example(Histories.of([]))


@pytest.mark.parametrize("model", ["soft", "hybrid"], indirect=True)
def test_gradients_are_the_same_every_time(model: LLMRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """On several threads, where a sum that is taken in any order shows."""
    histories = [[str((n + step) % 12) for step in range(5)] for n in range(60)]
    network, batch = model.encoder.network, batch_of(model, sequences_of(model, *histories))
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        ids = network.get_parameter("items.ids.weight")
        gradients = [torch.autograd.grad(network(**batch), ids)[0] for _ in range(8)]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])


def test_dropped_ids_leave_the_text(soft: LLMRecommender) -> None:
    tower = soft.encoder.network.items
    plain, share = tower.text(tower.texts), tower.dropout
    try:
        tower.dropout = 1.0
        tower.train()
        torch.testing.assert_close(tower(), plain)
    finally:
        tower.dropout = share
        tower.eval()
    assert not torch.allclose(tower(), plain)


def test_without_id_residual_text_alone_scores(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    recipe = tiny_recipe("soft", "head.id_residual=false", "train.epochs=1")
    model = LLMRecommender(recipe).fit(toy_split.train)
    assert model.encoder.network.items.ids is None
    assert np.isfinite(model.score(toy_split.test.histories)).all()


def test_the_adapter_is_a_plain_peft_adapter(soft: LLMRecommender, tiny_base: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    soft.save(tmp_path / "run")
    base, tokenizer = load_causal_lm(str(tiny_base), dtype="float32")
    ids = torch.tensor(tokenizer(["Film 03: Crimson Garden"])["input_ids"])
    with torch.no_grad():
        untuned = base(input_ids=ids).logits
        tuned = PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter"))(input_ids=ids).logits
        ours = soft.encoder.network.model(input_ids=ids).logits
    torch.testing.assert_close(tuned, ours, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(tuned, untuned, atol=1e-3)


def test_the_run_directory_holds_what_it_promises(soft: LLMRecommender, tmp_path: Path) -> None:
    soft.save(tmp_path / "run")
    found = {
        path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()
    }
    promised = {
        "manifest.json",
        "recipe.yaml",
        "prompt.yaml",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "head.safetensors",
        "items.parquet",
        "embeddings.safetensors",
        "index.faiss",
        "train_log.jsonl",
        "README.md",
    }
    assert promised <= found
    assert not {name for name in found if name.endswith((".pkl", ".pt", ".bin", ".pth"))}


@pytest.mark.parametrize(
    "file",
    ["head.safetensors", "adapter/adapter_model.safetensors", "index.faiss", "items.parquet", "recipe.yaml"],
)
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_file_is_named(soft: LLMRecommender, tmp_path: Path, file: str, damage: str) -> None:
    soft.save(tmp_path / "run")
    path = tmp_path / "run" / file
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-9] if damage == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=rf"{Path(file).name} is (damaged|missing)"):
        load(tmp_path / "run")


def test_a_head_of_another_version_is_refused(soft: LLMRecommender, tmp_path: Path) -> None:
    soft.save(tmp_path / "run")
    path, manifest = tmp_path / "run" / "head.safetensors", tmp_path / "run" / "manifest.json"
    head, digest = read_tensors(path), sha256_of(path)
    head["user.weight"] = head.pop("user_projection.weight")
    write_tensors(path, head)
    manifest.write_text(manifest.read_text("utf-8").replace(digest, sha256_of(path)), "utf-8")
    with pytest.raises(
        ArtifactError,
        match=r"head\.safetensors is not of this recipe's model, or of another version .*'user\.weight'",
    ):
        load(tmp_path / "run").prepare()


def test_another_base_model_is_refused(
    tiny_base: Path, tiny_recipe: Callable[..., Recipe], toy_split: Split, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    recipe = tiny_recipe("soft", f"backbone.base={base}", "train.epochs=1")
    LLMRecommender(recipe).fit(toy_split.train).save(tmp_path / "run")
    weights = base / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=r"was trained on another '.*base'"):
        load(tmp_path / "run")


def test_too_many_blocks_are_refused(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    with pytest.raises(ModelError, match=r"backbone.layers=9"):
        LLMRecommender(tiny_recipe("soft", "backbone.layers=9")).fit(toy_split.train)


def test_a_shallow_model_is_saved_and_loaded(
    tiny_recipe: Callable[..., Recipe], toy_split: Split, tmp_path: Path
) -> None:
    model = LLMRecommender(tiny_recipe("soft", "backbone.layers=1", "train.epochs=1")).fit(toy_split.train)
    model.save(tmp_path / "run")
    histories = toy_split.test.histories
    np.testing.assert_array_equal(load(tmp_path / "run").score(histories), model.score(histories))


def test_the_model_scores_as_in_its_best_validation(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=2")).fit(toy_split.train, valid=toy_split.valid)
    best = max(row["valid_ndcg@10"] for row in model.train_log)
    assert ndcg_on(model, toy_split.valid) == pytest.approx(best, abs=1e-5)


def test_every_position_is_a_target_once(soft: LLMRecommender) -> None:
    sequences = sequences_of(soft, ["3", "4", "9", "1"])
    _, targets = inputs_and_targets(sequences, np.array([[0, 0, 2], [0, 2, 3]]))
    assert (targets != IGNORE).sum() == 4


@pytest.mark.wheel
def test_the_real_model_learns_the_toy_films() -> None:
    """SmolLM2, two blocks deep, tuned on the toy films: the film that comes next comes first."""
    split = Split.leave_last_out(toy_films(n_items=12, n_users=40, length=7))
    changes = [
        "backbone.layers=2",
        "backbone.dtype=float32",
        "lora.r=4",
        "history.encoding=soft",
        "head.dim=64",
        "train.epochs=14",
        "train.learning_rate=2e-3",
        "train.head_learning_rate=1e-2",
        "train.schedule=linear",
    ]
    model = LLMRecommender(Recipe.load("quickstart", set=changes)).fit(split.train)
    first = model.recommend(split.test.histories, 1, exclude_seen=False)
    right = first.join(split.test.answers, on=["user_id", "item_id"], how="semi").height / first.height
    assert right > 0.9
