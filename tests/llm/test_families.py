"""Any causal LM: a tiny random one of each family is read, trained, cut, merged, saved, and generated with."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, load
from llmrec.config import AdapterConfig, BackboneConfig
from llmrec.data import Dataset, Sequences, toy_films
from llmrec.errors import ArtifactError, ModelError
from llmrec.llm import read_positions
from llmrec.llm.backbone import add_adapter, cache_option, load_backbone, merged, transformer_blocks
from llmrec.llm.decode import Decoder, check_head
from llmrec.llm.divided import divide
from llmrec.llm.encodings import encoding_named
from llmrec.llm.weights import load_causal_lm
from llmrec.models import LLMRecommender
from llmrec.models.llm import shared_prefix
from llmrec.training.batching import Batch

COMMON = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "initializer_range": 0.1}
GATED = {**COMMON, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 256}
PLAIN = {**COMMON, "intermediate_size": 48, "max_position_embeddings": 256}
GEMMA = {**GATED, "head_dim": 8}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": GATED,
    "mistral": {**GATED, "sliding_window": 24},
    "qwen2": GATED,
    "qwen3": {**GATED, "head_dim": 8},
    "gemma": GEMMA,
    "gemma2": {**GEMMA, "sliding_window": 24, "query_pre_attn_scalar": 8},
    "gemma3_text": {**GEMMA, "sliding_window": 24, "query_pre_attn_scalar": 8},
    "phi": PLAIN,
    "phi3": {**GATED, "pad_token_id": 0},
    "gpt_neox": PLAIN,
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 256, "initializer_range": 0.1},
    "opt": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "ffn_dim": 48,
        "init_std": 0.1,
        "word_embed_proj_dim": 16,
        "max_position_embeddings": 256,
    },
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4, "initializer_range": 0.1},
    "cohere": {**GATED, "logit_scale": 0.25},
    "granite": {**GATED, "logits_scaling": 4.0},
    "olmo2": GATED,
}
INDIVISIBLE = {"gpt2", "opt", "bloom"}
# By default one of each kind: sliding windows, heads of their own size, learned, relative and no positions.
BY_DEFAULT = ("llama", "mistral", "gemma3_text", "phi3", "gpt2", "opt", "bloom")
ALL = [pytest.param(one, marks=() if one in BY_DEFAULT else pytest.mark.slow) for one in FAMILIES]


@pytest.fixture(scope="module", params=ALL)
def base(request: pytest.FixtureRequest, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of the family with the tiny tokenizer, as it would lie in a folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder: Path = shutil.copytree(tiny_base, tmp_path_factory.mktemp("base") / request.param)
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(request.param, **{"vocab_size": 320, **ids, **FAMILIES[request.param]})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def toy_data() -> Dataset:
    return toy_films(n_items=6, n_users=4, length=5)


@pytest.fixture(scope="module")
def model(base: Path, tiny_recipe: Callable[..., Recipe], toy_data: Dataset) -> LLMRecommender:
    """Cut to two blocks and trained for a step or two."""
    changes = [f"backbone.base={base}", "backbone.layers=2", "train.epochs=1", "train.title_loss=0.5"]
    return LLMRecommender(tiny_recipe("hybrid", *changes, "history.max_items=3")).fit(toy_data)


@pytest.mark.parametrize("encoding", ["text", "soft", "hybrid"])
def test_every_encoding_learns(encoding: str, model: LLMRecommender, toy_data: Dataset) -> None:
    """The losses are finite, and every adapted layer of the network gets a gradient."""
    encoder = replace(
        model.encoder, serializer=replace(model.encoder.serializer, encoding=encoding_named(encoding))
    )
    sequences = Sequences.encode(toy_data.histories, model.catalog)
    batch = encoder.collate(sequences, Batch(0, np.array([[0, 0, 3], [1, 1, 3]])))
    network: Any = copy.deepcopy(model.encoder.network)
    network.model.base_model.unmerge_adapter()
    network.train()
    loss = network(**batch)
    loss.backward()
    learned = {name: value.grad for name, value in network.named_parameters() if "lora_" in name}
    assert torch.isfinite(loss)
    assert learned
    assert not [name for name, grad in learned.items() if grad is None or not grad.abs().sum() > 0]


def test_packed_is_padded(model: LLMRecommender, toy_data: Dataset) -> None:
    """Blocks with a sliding window keep it: the histories are longer than those of the families above."""
    sequences, network = Sequences.encode(toy_data.histories, model.catalog), copy.copy(model.encoder.network)
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 3], [1, 1, 3]])))
    assert batch["tokens"].shape[1] > 48
    losses = []
    for network.pack in (False, True):
        if network.pack and network.model.config.model_type == "bloom":
            with pytest.raises(ModelError, match=r"takes no positions; set train\.pack=false"):
                network(**batch)
            return
        with torch.no_grad():
            losses.append(float(network(**batch)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_prefix_read_once_is_a_whole_pass(
    model: LLMRecommender, toy_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or is not read so, where blocks read what is so far back, or take no positions."""
    sequences = Sequences.encode(toy_data.histories, model.catalog)
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 3], [1, 1, 3]])))
    losses = []
    for least in (0.0, np.inf):
        monkeypatch.setattr(shared_prefix, "LEAST_SAVED", least)
        with torch.no_grad():
            losses.append(float(model.encoder.network(**batch)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    family = model.encoder.network.model.config.model_type
    is_apart = family in {"mistral", "gemma2", "gemma3_text", "bloom"}
    assert shared_prefix.reads_cached(model.encoder.network.blocks) != is_apart


def test_positions_that_are_not_read_change_nothing(
    model: LLMRecommender, toy_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or are computed, where blocks have no part that could leave them out."""
    sequences, network = Sequences.encode(toy_data.histories, model.catalog), model.encoder.network
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 3], [1, 1, 3]])))
    states, rows = batch["states"][:, -1:], torch.arange(2)[:, None]
    read = []
    for least in (0.0, 1.0):
        monkeypatch.setattr(read_positions, "LEAST_SAVED", least)
        with torch.no_grad():
            hidden = network.hidden(batch["tokens"], batch["placeholders"], network.items(), states=states)
        read.append(hidden[rows, states])
    torch.testing.assert_close(read[0], read[1], atol=1e-4, rtol=1e-4)
    hooks = [one for one in network.modules() if read_positions._pick in one._forward_pre_hooks.values()]
    assert bool(hooks) == (network.model.config.model_type not in {"opt", "bloom"})


def test_cut_merged_and_with_the_model_s_own_logits(base: Path) -> None:
    model, _ = load_backbone(BackboneConfig(base=str(base), dtype="float32", layers=2))
    assert sum(p.numel() for p in model.parameters()) < sum(
        p.numel() for p in load_backbone(BackboneConfig(base=str(base), dtype="float32"))[0].parameters()
    )
    adapted = add_adapter(model, AdapterConfig(r=4, alpha=8))
    torch.manual_seed(0)
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    adapted.eval()
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    with torch.inference_mode():
        apart = transformer_blocks(adapted)(input_ids=ids, use_cache=False).last_hidden_state
        with merged(adapted):
            together = transformer_blocks(adapted)(input_ids=ids, use_cache=False).last_hidden_state
            check_head(adapted)
        embedded = adapted.get_input_embeddings()(ids)
        alike = transformer_blocks(adapted)(inputs_embeds=embedded, use_cache=False).last_hidden_state
        longer = torch.cat([ids, ids.flip(1)], dim=1)
        ahead = transformer_blocks(adapted)(input_ids=longer, use_cache=False).last_hidden_state[:, :6]
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(alike, apart, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ahead, apart, atol=1e-4, rtol=1e-4)  # causal: what follows changes nothing


def test_blocks_are_divided_or_it_is_said_that_they_cannot_be(base: Path) -> None:
    """Exact, or refused: learned positions and norms before the blocks would be computed twice."""
    model, _ = load_causal_lm(str(base), dtype="float32")
    whole: Any = transformer_blocks(model)
    if whole.config.model_type in INDIVISIBLE:
        with pytest.raises(ModelError, match=r"cannot be divided .* set history\.local_blocks=0"):
            divide(model, 1)
        return
    parts = divide(model, 1)
    embedded = parts.embed(torch.randint(3, 300, (2, 40), generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        expected = whole(inputs_embeds=embedded, use_cache=False).last_hidden_state
        lower = parts.lower(inputs_embeds=embedded, use_cache=False).last_hidden_state
        first = parts.upper(inputs_embeds=lower[:, :30], use_cache=True)
        cache = getattr(first, "cache", None) or first.past_key_values
        option = cache_option(parts.upper, cache)
        rest = parts.upper(inputs_embeds=lower[:, 30:], use_cache=True, **option).last_hidden_state
    torch.testing.assert_close(first.last_hidden_state, expected[:, :30], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(rest, expected[:, 30:], atol=1e-3, rtol=1e-3)


def test_going_on_equals_reading_anew(base: Path) -> None:
    """The cache, the padding on the left and the picked rows give what one pass gives; sliding windows too."""
    model, _ = load_causal_lm(str(base), dtype="float32")
    decoder = Decoder(model)
    tokens = torch.randint(3, 300, (2, 40), generator=torch.Generator().manual_seed(0))
    tokens[0, :9] = -1
    added = np.array([[7, 8], [9, 10], [11, 12]])
    with torch.inference_mode():
        read = decoder.read(decoder.embed(tokens), tokens >= 0)
        went = decoder.append(read, np.array([1, 0, 0]), added)
        for n, (row, start) in enumerate([(1, 0), (0, 9), (0, 9)]):
            whole = torch.cat([tokens[row, start:], torch.from_numpy(added[n])])[None]
            anew = transformer_blocks(model)(input_ids=whole, use_cache=False).last_hidden_state[0, -1]
            torch.testing.assert_close(went.last[n], anew, atol=1e-3, rtol=1e-3)


def test_saved_loaded_and_generated_with(model: LLMRecommender, tmp_path: Path) -> None:
    histories = Histories.of([["3", "4"], [], ["0", "1", "2"]])
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    np.testing.assert_array_equal(again.score(histories), model.score(histories))
    tokens = model.encoder.network.model.get_input_embeddings()(torch.arange(320))
    size = model.recipe.head.soft_token_scale * float(tokens.detach().pow(2).mean().sqrt())
    assert model.encoder.network.soft_token_size == pytest.approx(size, rel=1e-3)  # as the blocks read tokens
    beam, exact = model.generate(histories, 6, beams=6), model.generate(histories, 6, beams=None)
    assert beam.drop("score").equals(exact.drop("score"))
    np.testing.assert_allclose(beam["score"], exact["score"], atol=1e-2)


def test_what_is_no_causal_lm_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

    bert = BertConfig(
        vocab_size=320, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32
    )
    t5 = T5Config(vocab_size=320, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    for name, made in {
        "bert": BertModel(bert),
        "t5": T5ForConditionalGeneration(t5),
    }.items():
        folder = shutil.copytree(tiny_base, tmp_path / name)
        (folder / "model.safetensors").unlink()
        made.save_pretrained(folder)
        with pytest.raises(ModelError, match=rf"{name}.* causal LM") as told:
            load_causal_lm(str(folder), dtype="float32")
        assert "\n" not in str(told.value)


def test_an_adapter_of_another_base_is_refused(
    tiny_base: Path, tiny_recipe: Callable[..., Recipe], toy_data: Dataset, tmp_path: Path
) -> None:
    """Of the same name but another shape: the run says what it was trained on; peft's own words are told, too."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from llmrec.config import AdapterConfig
    from llmrec.llm.adapter_files import SavedAdapter, load_adapter

    base = shutil.copytree(tiny_base, tmp_path / "base")
    LLMRecommender(tiny_recipe("soft", f"backbone.base={base}", "train.epochs=1")).fit(toy_data).save(
        tmp_path / "run"
    )
    config = AutoConfig.from_pretrained(base)
    config.hidden_size, config.intermediate_size = 64, 96
    AutoModelForCausalLM.from_config(config).save_pretrained(base)
    with pytest.raises(ArtifactError, match=r"was trained on another '.*base'"):
        load(tmp_path / "run")
    wider, _ = load_causal_lm(str(base), dtype="float32")
    with pytest.raises(ArtifactError, match="does not fit this base model") as told:
        load_adapter(wider, SavedAdapter(tmp_path / "run" / "adapter", AdapterConfig(r=8, alpha=16)))
    assert "\n" not in str(told.value)
