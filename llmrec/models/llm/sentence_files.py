"""Parts of a SentenceTransformer folder: an LLM's blocks, a tokenizer with other rules, linear layers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from llmrec.arrays import Float32s
from llmrec.errors import ModelError
from llmrec.llm.backbone import transformer_blocks

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LEAST_COSINE = 0.99  # of a vector and ours, maybe in half precision


class Layer(NamedTuple):
    """A linear layer, [n_out, n_in] and [n_out], with a GELU after it or nothing."""

    weight: torch.Tensor
    bias: torch.Tensor
    gelu: bool = False


def save_sentence_transformer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    max_tokens: int,
    pooling: Mapping[str, Any],
    layers: list[Layer],
    prompt: str | None = None,
) -> Any:
    """Write blocks, ``pooling``, layers and a norm as a folder, and return what sentence-transformers loads of it.

    ``prompt`` stands before every text.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    blocks: Any = transformer_blocks(model)
    named: dict[str, Any] = {}
    if prompt is not None:
        named = {"prompts": {"text": prompt}, "default_prompt_name": "text"}
    with tempfile.TemporaryDirectory() as temporary:
        blocks.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        parts = [modules.Transformer(temporary, max_seq_length=max_tokens)]
        parts.append(modules.Pooling(layers[0].weight.shape[1], **pooling))
        for layer in layers:
            n_out, n_in = layer.weight.shape
            after = torch.nn.GELU() if layer.gelu else torch.nn.Identity()
            dense = modules.Dense(n_in, n_out, activation_function=after)
            dense.linear.weight.data, dense.linear.bias.data = layer.weight.float(), layer.bias.float()
            parts.append(dense)
        parts.append(modules.Normalize())
        encoder = SentenceTransformer(modules=parts, trust_remote_code=False, **named)
        encoder.save(str(folder), create_model_card=False)
    return SentenceTransformer(str(folder), device="cpu", trust_remote_code=False)


def tokenizer_with(
    tokenizer: PreTrainedTokenizerBase,
    *,
    alone: str,
    begin: list[int] | None = None,
    end: list[int] | None = None,
    **options: Any,
) -> PreTrainedTokenizerBase:
    """Return a tokenizer in which the pattern ``alone`` is split from what is beside it, and text is only text.

    ``begin`` and ``end``: the tokens around every text, instead of those of the tokenizer; ``options``: of
    transformers. Raises ModelError for a tokenizer that has no such rules.
    """
    from transformers import PreTrainedTokenizerFast

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError("this base model's tokenizer is no fast one: its encoder cannot be exported")
    rules = json.loads(backend.to_str())
    split = {"type": "Split", "pattern": {"Regex": alone}, "behavior": "Isolated", "invert": False}
    present = [rules["pre_tokenizer"]] if rules["pre_tokenizer"] else []
    rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, *present]}
    names = {token: backend.id_to_token(token) for token in [*(begin or []), *(end or [])]}
    before, after = (
        [{"SpecialToken": {"id": names[token], "type_id": 0}} for token in part or []] for part in (begin, end)
    )
    text, second = ({"Sequence": {"id": part, "type_id": 0}} for part in "AB")
    rules["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [*before, text, *after],
        "pair": [*before, text, *after, second, *after],
        "special_tokens": {name: {"id": name, "ids": [token], "tokens": [name]} for token, name in names.items()},
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=type(backend).from_str(json.dumps(rules)),
        pad_token=tokenizer.pad_token or tokenizer.eos_token or backend.id_to_token(0),
        padding_side="right",
        split_special_tokens=True,
        model_input_names=["input_ids", "attention_mask"],
        **options,
    )


def check_vectors(theirs: Float32s, ours: Float32s) -> None:
    """Raise ModelError where an exported encoder's unit vectors [n, dim] are not the run's."""
    least = float((np.asarray(theirs) * ours).sum(axis=1).min())
    if not least > LEAST_COSINE:
        raise ModelError(
            f"the exported encoder's vectors are not the run's (cosine {least:.3f}): this base model's tokenizer "
            "cannot be written for sentence-transformers; export --to transformers"
        )
