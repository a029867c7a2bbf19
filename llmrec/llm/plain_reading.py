"""Read a Llama with its adapter folded in, and its tokenizer, without importing transformers or peft."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmrec.config import BackboneConfig
from llmrec.llm.adapter_files import SavedAdapter, read_deltas
from llmrec.llm.bases import Base
from llmrec.resources.bounded import UnreadableError, read_json
from llmrec.runtime import resolve_dtype
from llmrec.training.shapes import shapes_only

if TYPE_CHECKING:
    import torch

    from llmrec.llm.plain_llama import PlainLlama

log = logging.getLogger(__name__)

OF_BLOCKS = "model."  # what a checkpoint writes before the names of the blocks' weights
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
# Classes that read tokenizer.json as it is; others change it.
AS_IT_IS = frozenset(("TokenizersBackend", "PreTrainedTokenizerFast"))


class PlainTokenizer:
    """A tokenizer as ``serialize`` asks one: texts to ids, and ids to text."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """Read a model's tokenizer; None where transformers would make another one of its files."""
        try:
            values = read_json(folder / TOKENIZER_CONFIG)
            is_plain = values["tokenizer_class"] in AS_IT_IS and "add_prefix_space" not in values
        except (UnreadableError, OSError, KeyError, TypeError):
            return None
        return cls(folder / TOKENIZER) if is_plain and (folder / TOKENIZER).is_file() else None

    def __call__(
        self, text: str | Sequence[str], *, add_special_tokens: bool = True, split_special_tokens: bool = False
    ) -> Mapping[str, Any]:
        """Tokenize one text or several, as a tokenizer of transformers does."""
        self._tokenizer.encode_special_tokens = split_special_tokens
        texts = [text] if isinstance(text, str) else list(text)
        ids = [one.ids for one in self._tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)]
        return {"input_ids": ids[0] if isinstance(text, str) else ids}

    def decode(self, ids: Sequence[int]) -> str:
        """Turn token ids into text, special tokens too."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))


def read_plain(
    settings: BackboneConfig, base: Base, adapter: SavedAdapter
) -> tuple[PlainLlama, PlainTokenizer] | None:
    """Read the first blocks of a base model, an adapter folded in; None where only transformers and peft can.

    Raises ArtifactError for an adapter that does not fit.
    """
    import torch

    from llmrec.llm.plain_llama import WEIGHTS, PlainConfig, PlainLlama

    folder, lora = Path(base.location), adapter.settings
    is_plain = lora.targets == "all-linear" and lora.last_layers is None and not lora.dora
    config = PlainConfig.of(folder, settings.layers) if is_plain and settings.quantize == "none" else None
    tokenizer = None if config is None else PlainTokenizer.of(folder)
    if config is None or tokenizer is None:
        return None
    log.info("base model %s: from %s", base.name, base.location)
    with shapes_only():
        model = PlainLlama(config)
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    weights = _read_weights(folder / WEIGHTS, shapes, getattr(torch, resolve_dtype(settings.dtype)))
    if weights is None:
        return None
    linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    deltas = read_deltas(adapter, {name: tuple(module.weight.shape) for name, module in linear.items()})
    for name, delta in deltas.items():
        weight = weights[f"{name}.weight"]
        weights[f"{name}.weight"] = (weight + delta).to(weight.dtype)
    model.load_state_dict(weights, assign=True)
    model.requires_grad_(False)
    return model.eval(), tokenizer


def _read_weights(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype
) -> dict[str, torch.Tensor] | None:
    """Read the weights of these names; None where one is missing, has another shape, or is not finite."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(OF_BLOCKS + name).to(dtype) for name in shapes}
    except (SafetensorError, OSError):
        return None
    same = all(tuple(weights[name].shape) == shape for name, shape in shapes.items())
    finite = all(bool(torch.isfinite(torch.stack(torch.aminmax(weight))).all()) for weight in weights.values())
    return weights if same and finite else None
