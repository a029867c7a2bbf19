"""The causal LLM as an encoder: cut to depth, given an adapter, merged for inference."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from llmrec.config import AdapterConfig, BackboneConfig
from llmrec.errors import ModelError
from llmrec.llm.bases import Base
from llmrec.llm.peft_import import import_peft, is_quantized
from llmrec.llm.weights import load_causal_lm
from llmrec.training.fsdp import are_divided

if TYPE_CHECKING:
    import torch
    from peft import LoraModel, PeftModel
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_backbone(
    settings: BackboneConfig, base: Base | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the frozen base model, cut to ``settings.layers`` blocks, and its tokenizer.

    ``base``: the one that ``settings.base`` means, where it was looked up before.
    """
    model, tokenizer = load_causal_lm(
        base or settings.base, dtype=settings.dtype, quantize=settings.quantize, layers=settings.layers
    )
    model.requires_grad_(False)
    if settings.layers is not None:
        truncate(model, settings.layers)
    if settings.gradient_checkpointing:
        # transformers 5.23 renamed it and warns at the old name, which older versions only have.
        enable: Any = (
            getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})
    return model, tokenizer


def truncate(model: PreTrainedModel, layers: int) -> None:
    """Keep only the first ``layers`` blocks. Raises ModelError if the model has fewer."""
    from torch import nn

    config = model.config
    depth = int(config.num_hidden_layers)
    if layers > depth:
        raise ModelError(f"backbone.layers={layers}, but this base model has {depth} blocks")
    modules: list[nn.Module] = list(cast("nn.Module", model).modules())
    children = ((parent, *child) for parent in modules for child in parent.named_children())
    # The outermost list of that length: a block's experts may happen to be as many.
    parent, name, blocks = next(
        child for child in children if isinstance(child[2], nn.ModuleList) and len(child[2]) == depth
    )
    setattr(parent, name, nn.ModuleList(list(blocks.children())[:layers]))
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def transformer_blocks(model: PreTrainedModel | PeftModel) -> nn.Module:
    """Return the blocks below the language-model head (adapted ones, if there is an adapter)."""
    causal: Any = model
    if hasattr(model, "peft_config"):
        causal = causal.get_base_model()
    return cast("nn.Module", causal.base_model)


def is_checkpointed(blocks: nn.Module) -> bool:
    """Whether blocks keep nothing for the gradient, but compute it anew (gradient checkpointing)."""
    # Each module is asked: of blocks that are part of a model the model's mode is not theirs.
    return any(getattr(one, "gradient_checkpointing", False) and one.training for one in blocks.modules())


def cache_option(model: object, cache: object) -> dict[str, Any]:
    """Return ``cache`` under the name by which ``model`` takes a key-value cache.

    transformers 5.24 renamed it and warns at the old name, which older versions and models of others only have.
    """
    causal: Any = model
    if hasattr(model, "peft_config"):
        causal = causal.get_base_model()
    taken = inspect.signature(causal.forward).parameters
    return {"cache" if "cache" in taken else "past_key_values": cache}


def empty_cache(blocks: Any) -> Any:
    """Return an empty key-value cache for a model's blocks."""
    if hasattr(blocks, "empty_cache"):
        return blocks.empty_cache()
    from transformers import DynamicCache

    return DynamicCache(config=blocks.config)


def repeated_cache(blocks: Any, cache: Any, n_positions: int, n_rows: int) -> Any:
    """Return another cache that holds the first positions of the one row of ``cache``, for each of some rows."""
    copied = empty_cache(blocks)
    for number, layer in enumerate(cache.layers):
        parts = (part[:, :, :n_positions].expand(n_rows, -1, -1, -1) for part in (layer.keys, layer.values))
        copied.update(*parts, number)
    return copied


def cache_bytes(cache: object) -> int:
    """Return the bytes of all tensors in a key-value cache."""
    import torch

    parts = [value for layer in getattr(cache, "layers", ()) for value in vars(layer).values()]
    return sum(part.numel() * part.element_size() for part in parts if isinstance(part, torch.Tensor))


def token_size(model: PreTrainedModel | PeftModel) -> float:
    """Root mean square of a token's embedding as the blocks read it: Gemma, for one, scales what it looks up."""
    import torch

    embed: Any = model.get_input_embeddings()
    weight = embed.weight.detach().float()
    sample = torch.arange(min(64, len(weight)), device=weight.device)
    with torch.no_grad():
        scale = embed(sample).float().norm() / weight[sample].norm()
    return float(weight.pow(2).mean().sqrt() * scale)


def language_logits(model: PreTrainedModel | PeftModel, states: torch.Tensor) -> torch.Tensor:
    """Turn the encoder's last states into the language model's logits, [..., vocabulary] in float32.

    Some families do more than multiply: Gemma caps its logits, Cohere and Granite scale them.
    """
    import torch

    head: Any = model.get_output_embeddings()
    config: Any = model.config.get_text_config()
    logits: torch.Tensor = head(states.to(head.weight.dtype)).float()
    logits = (
        logits * (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
    )
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def add_adapter(model: PreTrainedModel, settings: AdapterConfig) -> PeftModel:
    """Wrap the model in a fresh LoRA adapter. Raises ModelError for targets the model does not have."""
    import_peft(quantized=is_quantized(model))
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers.pytorch_utils import Conv1D

    modules: list[Any] = list(cast("Any", model).modules())
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in modules),  # GPT-2 keeps weights transposed
        **_adapted(model, settings),
    )
    try:
        with warnings.catch_warnings():  # peft reads an attribute that transformers has renamed
            warnings.simplefilter("ignore", FutureWarning)
            return get_peft_model(model, config)
    except ValueError as error:
        raise ModelError(f"lora.targets={settings.targets}: {str(error).splitlines()[0]}") from error


def _adapted(model: PreTrainedModel, settings: AdapterConfig) -> dict[str, Any]:
    """Say which modules of which blocks get an adapter. Raises ModelError for more blocks than there are."""
    from torch import nn

    targets, last = settings.targets, settings.last_layers
    if last is None:
        return {"target_modules": targets}
    depth = int(model.config.num_hidden_layers)
    if last > depth:
        raise ModelError(f"lora.last_layers={last}, but this base model has {depth} blocks")
    if targets == "all-linear":  # peft chooses blocks only among modules that are listed
        inner = transformer_blocks(model).named_modules()
        targets = sorted({name.rsplit(".", 1)[-1] for name, module in inner if isinstance(module, nn.Linear)})
    elif isinstance(targets, str):
        raise ModelError(f"lora.targets={targets}: with lora.last_layers list the modules, or use all-linear")
    return {"target_modules": targets, "layers_to_transform": list(range(depth - last, depth))}


def merge(model: PeftModel) -> None:
    """Fold the adapter into the weights for good; the adapter's own weights stay and can be saved.

    Quantized weights are left as they are: rounding them again would change the model.
    """
    if not _is_unmergeable(model):
        cast("LoraModel", model.base_model).merge_adapter()


def _is_unmergeable(model: PeftModel) -> bool:
    """Whether weights are quantized, or divided over processes."""
    return is_quantized(model.get_base_model()) or are_divided(transformer_blocks(model))


def _lora_layers(model: PeftModel) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    modules: list[Any] = list(cast("Any", model).modules())
    return [module for module in modules if isinstance(module, LoraLayer)]


def twin_without_adapter(model: PeftModel) -> PeftModel:
    """Return another model that computes as the base does; it shares the weights that have no adapter.

    The model itself is not touched: other threads may compute with it meanwhile.
    """
    from torch import nn

    weights = [weight for name, weight in model.named_parameters() if "lora_" not in name]
    twin = copy.deepcopy(model, {id(tensor): tensor for tensor in (*weights, *model.buffers())})
    for layer in _lora_layers(twin):
        if layer.merged:
            base = layer.get_base_layer()
            base.weight = nn.Parameter(base.weight.data.clone(), requires_grad=False)
            layer.unmerge()
    cast("LoraModel", twin.base_model).disable_adapter_layers()
    return twin


@contextmanager
def merged(model: PeftModel) -> Iterator[None]:
    """Fold the adapter into the weights for the length of the block: two to three times faster to run.

    The original weights are put back as they were, bit for bit: subtracting the adapter again would not.
    """
    if _is_unmergeable(model):
        yield
        return
    layers = _lora_layers(model)
    tuner = cast("LoraModel", model.base_model)
    originals = [layer.get_base_layer().weight.data for layer in layers]
    for layer, weight in zip(layers, originals, strict=True):
        layer.get_base_layer().weight.data = weight.clone()
    tuner.merge_adapter()
    try:
        yield
    finally:
        cast("Any", tuner).unmerge_adapter()
        for layer, weight in zip(layers, originals, strict=True):
            layer.get_base_layer().weight.data = weight
