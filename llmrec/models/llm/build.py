"""Build an LLM recommender's network and history encoder around an adapted base model, as its recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrec.arrays import Float32s
from llmrec.config import Recipe
from llmrec.llm.encodings import HistoryEncoding, LocalTextEncoding, encoding_of
from llmrec.llm.serialize import Serializer
from llmrec.models.responses.fields import EventFields
from llmrec.models.tensors import Expected, expected_state
from llmrec.models.text_encodings import TextEncodings
from llmrec.training.shapes import shapes_only

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.models.llm.item_encoder import ItemEncoder
    from llmrec.models.llm.item_loss import Losses
    from llmrec.models.llm.network import NextItemNetwork


def build_encoder(
    recipe: Recipe,
    adapted: PeftModel,
    *,
    tokenizer: PreTrainedTokenizerBase,
    serializer: Serializer,
    encodings: TextEncodings,
    counts: Float32s,
    fields: EventFields,
    training: bool = False,
) -> HistoryEncoder:
    """Return an encoder with a fresh head. ``training`` adds what re-encodes item texts that are finetuned."""
    import torch

    from llmrec.llm.divided import divide
    from llmrec.llm.read_positions import pick_positions
    from llmrec.llm.varlen import use_varlen
    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.models.llm.local_lines import LocalLines
    from llmrec.models.llm.network import NextItemNetwork
    from llmrec.runtime import device_name

    head, history, settings = recipe.head, recipe.history, recipe.train
    finetuned = training and head.item_encoder == "finetuned"
    network = NextItemNetwork(
        adapted,
        torch.from_numpy(encodings.texts),
        torch.from_numpy(counts),
        head,
        pack=settings.pack,
        losses=_losses(recipe, counts),
        item_encoder=_item_encoder(recipe, serializer, encodings) if finetuned else None,
    )
    _add_parts(network, recipe, fields, serializer.encoding)
    network.to(device_name())
    use_varlen(adapted, wanted=settings.pack)
    if isinstance(serializer.encoding, LocalTextEncoding):
        divided, encoding = divide(adapted, history.local_blocks), serializer.encoding
        network.local = LocalLines(divided, serializer, encoding, budget=settings.batch_tokens)
        pick_positions(divided.lower, divided.embed)
    pick_positions(network.blocks, adapted.get_input_embeddings())
    limit = getattr(adapted.config, "max_position_embeddings", None) or history.max_tokens
    return HistoryEncoder(
        network,
        tokenizer,
        serializer,
        history.max_items,
        min(history.max_tokens, limit),
        settings.batch_tokens,
    )


def _item_encoder(recipe: Recipe, serializer: Serializer, encodings: TextEncodings) -> ItemEncoder:
    """Return what encodes item texts anew while they are finetuned."""
    import torch

    from llmrec.models.llm.item_encoder import ItemEncoder

    return ItemEncoder(
        serializer.encoded,
        mean=torch.from_numpy(encodings.mean),
        scale=encodings.scale,
        budget=recipe.train.batch_tokens,
        every=recipe.head.refresh_every,
    )


def head_parameters(network: NextItemNetwork) -> dict[str, torch.nn.Parameter]:
    """Return what is trained besides the adapter, by name."""
    return {name: value for name, value in network.named_parameters() if not name.startswith("model.")}


def expected_head(
    recipe: Recipe, adapted: PeftModel, *, encodings: TextEncodings, counts: Float32s, fields: EventFields
) -> dict[str, Expected]:
    """Return the dtypes and shapes that a saved head has, by name, without memory for a head of that size."""
    import torch

    from llmrec.models.llm.network import NextItemNetwork

    texts = torch.from_numpy(encodings.texts)
    with shapes_only():
        network = NextItemNetwork(adapted, texts, torch.from_numpy(counts), recipe.head)
        _add_parts(network, recipe, fields, encoding_of(recipe.history))
    return expected_state(head_parameters(network))


def _losses(recipe: Recipe, counts: Float32s) -> Losses:
    import torch

    from llmrec.models.llm.item_loss import Losses
    from llmrec.training.losses import negatives_of

    settings = recipe.train
    negatives = negatives_of(torch.from_numpy(counts), settings.negatives)
    return Losses(settings.item_loss, settings.title_loss, recipe.responses.weight, negatives)


def _add_parts(network: NextItemNetwork, recipe: Recipe, fields: EventFields, encoding: HistoryEncoding) -> None:
    """Add what only some recipes have, after everything else: the other weights begin as they would without."""
    import torch

    from llmrec.training.field_embeddings import FieldEmbeddings
    from llmrec.training.repeat_bias import RepeatBias
    from llmrec.training.response_heads import ResponseHeads

    dim, width, responses = recipe.head.dim, network.user_projection.in_features, recipe.responses
    if fields.bins.fields and encoding.embeds_fields:
        network.events = FieldEmbeddings(fields.bins.sizes, width)
    if fields.tasks.specs:
        network.responses = ResponseHeads(
            fields.tasks,
            width=width,
            dim=dim,
            hidden=responses.dim,
            dropout=responses.dropout,
            count_features=fields.count_features,
        )
    if recipe.history.repeat_bias:
        network.repeat_bias = RepeatBias(len(network.bias), dim)
    if recipe.train.targets == "both":
        network.in_basket = torch.nn.Linear(width, dim)
