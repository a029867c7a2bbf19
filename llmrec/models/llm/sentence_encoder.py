"""A run's encoders of item texts and of written histories as SentenceTransformers that give its vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrec.arrays import Float32s
from llmrec.data import Histories, Sequences
from llmrec.errors import ModelError
from llmrec.llm.serialize import MAX_ITEM_TOKENS, newline_token
from llmrec.models.llm.sentence_files import Layer, check_vectors, save_sentence_transformer, tokenizer_with
from llmrec.prompting.item_text import item_texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from llmrec.models.llm.state import LLMState

# So many of the catalog's items, in histories of so many, are encoded by what is written, and compared.
COMPARED, COMPARED_ITEMS = 64, 4


def write_item_encoder(state: LLMState, model: PreTrainedModel, folder: Path) -> str:
    """Write the encoder into ``folder``; ``model`` is the LLM that encodes item texts. Returns an item's text.

    Raises ModelError where the written encoder gives other vectors than the run, as for a tokenizer that cannot be
    told to end each text by a newline.
    """
    import torch

    layers: Any = state.encoder.network.items.text
    encodings, tokenizer = state.encodings, state.encoder.tokenizer
    first, last = layers[0], layers[2]
    # Standardizing is folded into the first layer; on the CPU, as a Mac's GPU has no float64.
    weight = first.weight.detach().cpu().double() / encodings.scale
    bias = first.bias.detach().cpu().double() - weight @ torch.from_numpy(encodings.mean).double()
    newline = newline_token(tokenizer)
    # The newline that is read before a text and not pooled is its prompt. A last token that is called special, a
    # separator, is not counted as part of the prompt.
    name = tokenizer.convert_ids_to_tokens(newline)
    encoder = save_sentence_transformer(
        model,
        tokenizer_with(tokenizer, alone=r"\A\n", end=[newline], sep_token=name),
        folder,
        max_tokens=MAX_ITEM_TOKENS + 2,
        pooling={"pooling_mode": "mean", "include_prompt": False},
        layers=[Layer(weight, bias, gelu=True), Layer(last.weight.detach().cpu(), last.bias.detach().cpu())],
        prompt="\n",
    )
    texts = [text.rstrip("\n") for text in item_texts(state.catalog, state.prompts.encoded)]
    check_vectors(encoder.encode(texts[:COMPARED]), text_vectors(state)[:COMPARED])
    return texts[0]


def write_user_encoder(state: LLMState, model: PreTrainedModel, folder: Path) -> str:
    """Write the encoder of histories, written as text, into ``folder``; ``model`` is the adapted LLM.

    Returns a written history. Raises as ``write_item_encoder`` does.
    """
    encoder, tokenizer = state.encoder, state.encoder.tokenizer
    prefix = state.prompts.history.render("user")
    tokens, plain = encoder.serializer.prefix.tolist(), tokenizer(prefix, add_special_tokens=False)["input_ids"]
    if tokens[len(tokens) - len(plain) :] != plain:
        raise ModelError("this base model's tokenizer ends texts by a token of its own: nothing can be exported")
    projection = encoder.network.user_projection
    written = save_sentence_transformer(
        model,
        # The newest events are at the end: what is too long is cut at its beginning.
        tokenizer_with(tokenizer, alone=r"\n", begin=tokens[: len(tokens) - len(plain)], truncation_side="left"),
        folder,
        max_tokens=encoder.max_tokens,
        pooling={"pooling_mode": "lasttoken"},
        layers=[Layer(projection.weight.detach().cpu(), projection.bias.detach().cpu())],
    )
    ids = state.catalog.ids[:COMPARED]
    lists = [list(ids[start : start + COMPARED_ITEMS]) for start in range(0, len(ids), COMPARED_ITEMS)]
    windows = encoder.windows(Sequences.encode(Histories.of([*lists, []]), state.catalog))
    lines = dict(zip(ids, item_texts(state.catalog, state.prompts.item), strict=False))
    texts = [prefix + "".join(lines[item] for item in one) for one in [*lists, []]]
    check_vectors(written.encode(texts), encoder.users(windows))
    return texts[0]


def text_vectors(state: LLMState) -> Float32s:
    """Return the items' vectors by their texts only, unit length: float32 [n_items, dim]."""
    import torch

    tower = state.encoder.network.items
    with torch.inference_mode():
        vectors = torch.nn.functional.normalize(tower.text(tower.texts), dim=-1)
    array: Float32s = vectors.float().cpu().numpy()
    return array
