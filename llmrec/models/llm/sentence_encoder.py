"""The encoder of item texts as a SentenceTransformer: its tokenizer, pooling and layers give our vectors."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.arrays import Float32s
from llmrec.errors import ModelError
from llmrec.llm.backbone import transformer_blocks
from llmrec.llm.serialize import MAX_ITEM_TOKENS, newline_token
from llmrec.prompting.item_text import item_texts
from llmrec.runtime import extra

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from llmrec.models.llm.state import LLMState

# So many of the catalog's items are encoded by what is written, and compared.
COMPARED = 64
LEAST_COSINE = 0.99  # of a vector and ours, maybe in half precision
PROMPT = "\n"  # is read before every text and not pooled, as in llmrec.llm.encode


def write_sentence_encoder(state: LLMState, model: PreTrainedModel, folder: Path) -> str:
    """Write the encoder into ``folder``; ``model`` is the LLM that encodes item texts. Returns an item's text.

    Raises ModelError where the written encoder gives other vectors than the run, as for a tokenizer that cannot be
    told to end each text by a newline; EnvironmentFault without sentence-transformers.
    """
    import torch

    library = extra("sentence_transformers", "baselines")
    modules = extra("sentence_transformers.sentence_transformer.modules", "baselines")
    layers: Any = state.encoder.network.items.text
    encodings = state.encodings
    first, last = layers[0], layers[2]
    # Standardizing is folded into the first layer.
    weight = first.weight.detach().double().cpu() / encodings.scale
    bias = first.bias.detach().double().cpu() - weight @ torch.from_numpy(encodings.mean).double()
    with tempfile.TemporaryDirectory() as temporary:
        blocks: Any = transformer_blocks(model)
        blocks.save_pretrained(temporary)
        item_tokenizer(state.encoder.tokenizer).save_pretrained(temporary)
        transformer = modules.Transformer(temporary, max_seq_length=MAX_ITEM_TOKENS + 2)
        width, dim = first.in_features, first.out_features
        dense = [
            modules.Dense(width, dim, activation_function=torch.nn.GELU()),
            modules.Dense(dim, dim, activation_function=torch.nn.Identity()),
        ]
        for layer, (weights, biases) in zip(dense, [(weight, bias), (last.weight, last.bias)], strict=True):
            layer.linear.weight.data, layer.linear.bias.data = weights.detach().float(), biases.detach().float()
        pooling = modules.Pooling(width, pooling_mode="mean", include_prompt=False)
        parts = [transformer, pooling, *dense, modules.Normalize()]
        encoder = library.SentenceTransformer(
            modules=parts, prompts={"item": PROMPT}, default_prompt_name="item", trust_remote_code=False
        )
        encoder.save(str(folder), create_model_card=False)
    texts = [text.rstrip("\n") for text in item_texts(state.catalog, state.prompts.item)]
    loaded = library.SentenceTransformer(str(folder), device="cpu", trust_remote_code=False)
    _check(loaded.encode(texts[:COMPARED]), _text_vectors(state)[:COMPARED])
    return texts[0]


def item_tokenizer(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return a tokenizer that reads "\\n" and a text as the LLM's item texts are read: each ends by a newline.

    Markup in a title stays text. Raises ModelError for a tokenizer that has no such file of rules.
    """
    from transformers import PreTrainedTokenizerFast

    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError("this base model's tokenizer is no fast one: its item encoder cannot be exported")
    newline = newline_token(tokenizer)
    name = backend.id_to_token(newline)
    rules = json.loads(backend.to_str())
    # The first newline stands apart: merged with what follows it would be another token.
    alone = {"type": "Split", "pattern": {"Regex": "\\A\\n"}, "behavior": "Isolated", "invert": False}
    present = [rules["pre_tokenizer"]] if rules["pre_tokenizer"] else []
    rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [alone, *present]}
    first, second = ({"Sequence": {"id": part, "type_id": 0}} for part in "AB")
    end = {"SpecialToken": {"id": name, "type_id": 0}}
    rules["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": {name: {"id": name, "ids": [newline], "tokens": [name]}},
    }
    # A last token that is called special is not counted as part of the prompt.
    return PreTrainedTokenizerFast(
        tokenizer_object=type(backend).from_str(json.dumps(rules)),
        sep_token=name,
        pad_token=tokenizer.pad_token or tokenizer.eos_token or name,
        padding_side="right",
        split_special_tokens=True,
        model_input_names=["input_ids", "attention_mask"],
    )


def _text_vectors(state: LLMState) -> Float32s:
    """Return the items' vectors by their texts only, unit length: float32 [n_items, dim]."""
    import torch

    tower = state.encoder.network.items
    with torch.inference_mode():
        vectors = torch.nn.functional.normalize(tower.text(tower.texts), dim=-1)
    array: Float32s = vectors.float().cpu().numpy()
    return array


def _check(theirs: Float32s, ours: Float32s) -> None:
    least = float((np.asarray(theirs) * ours).sum(axis=1).min())
    if not least > LEAST_COSINE:
        raise ModelError(
            f"the exported encoder's vectors are not the run's (cosine {least:.3f}): this base model's tokenizer "
            "cannot be written for sentence-transformers; export --to transformers"
        )
