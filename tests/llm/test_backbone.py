"""The base model: found or refused in one line, cut to depth, merged without a trace."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file

from llmrec.config import AdapterConfig, BackboneConfig
from llmrec.errors import ModelError
from llmrec.llm import weights
from llmrec.llm.backbone import add_adapter, load_backbone, merged, transformer_blocks, truncate


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
    original = {name: value.clone() for name, value in adapted.state_dict().items()}
    apart = run(adapted)
    with merged(adapted):
        together = run(adapted)
        weight = "base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight"
        assert not torch.equal(adapted.state_dict()[weight], original[weight])
    assert torch.allclose(together, apart, atol=1e-4)
    after = adapted.state_dict()
    assert original.keys() == after.keys()
    assert all(torch.equal(original[name], after[name]) for name in original)
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


def test_blocks_that_are_not_used_are_not_read(
    settings: BackboneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = list[logging.LogRecord]()
    monkeypatch.setattr(logging.getLogger("transformers").handlers[0], "emit", reported.append)
    cut, _ = load_backbone(settings.model_copy(update={"layers": 1}))
    assert not [record.getMessage() for record in reported], "of what is left out"
    with monkeypatch.context() as patch:
        patch.setattr(weights, "CUT_WHEN_READ", frozenset())
        read_whole, _ = load_backbone(settings.model_copy(update={"layers": 1}))
    assert cut.config.to_dict() == read_whole.config.to_dict()
    values, others = cut.state_dict(), read_whole.state_dict()
    assert values.keys() == others.keys()
    assert all(torch.equal(values[name], others[name]) for name in values)
    shutil.copytree(settings.base, tmp_path / "broken")
    path = tmp_path / "broken" / "model.safetensors"
    broken = load_file(path)
    broken["model.layers.1.mlp.up_proj.weight"][0, 0] = torch.nan
    save_file(broken, path, metadata={"format": "pt"})
    load_backbone(settings.model_copy(update={"layers": 1, "base": str(tmp_path / "broken")}))
    with pytest.raises(ModelError, match="NaN or infinity"):
        load_backbone(settings.model_copy(update={"base": str(tmp_path / "broken")}))


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
