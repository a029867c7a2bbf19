"""Build an LLM recommender's network and reader around an adapted base model, as its recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmrec.llm.serialize import Serializer
from llmrec.models.llm.warm_start import warm_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.models.llm.recommender import LLMRecommender


def build_encoder(
    model: LLMRecommender,
    adapted: Any,
    *,
    tokenizer: PreTrainedTokenizerBase,
    serializer: Serializer,
    training: bool = False,
) -> HistoryEncoder:
    """Return a reader with a fresh head; ``training`` adds what only training needs."""
    import torch

    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.models.llm.item_encoder import ItemEncoder
    from llmrec.models.llm.item_tower import HeadShape
    from llmrec.models.llm.network import Losses, NextItemNetwork
    from llmrec.runtime import device_name
    from llmrec.training.field_embeddings import FieldEmbeddings
    from llmrec.training.losses import negatives_of
    from llmrec.training.repeat_bias import RepeatBias
    from llmrec.training.response_heads import ResponseHeads

    head, history, settings = model.recipe.head, model.recipe.history, model.recipe.train
    shape = HeadShape(**head.model_dump(exclude={"warm_start"}))
    texts, counts = torch.from_numpy(model.texts), torch.from_numpy(model.counts)
    tuned = training and head.item_encoder == "finetuned"
    network = NextItemNetwork(
        adapted,
        texts,
        counts,
        shape,
        pack=settings.pack,
        losses=Losses(
            settings.item_loss,
            settings.title_loss,
            model.recipe.responses.weight,
            negatives_of(counts, settings.negatives),
        ),
        item_encoder=ItemEncoder(
            serializer,
            mean=torch.from_numpy(model.text_mean),
            scale=model.text_scale,
            budget=settings.batch_tokens,
            every=head.refresh_every,
        )
        if tuned
        else None,
    )
    width, responses = network.user.in_features, model.recipe.responses
    if model.levels.fields and history.encoding == "soft":
        network.events = FieldEmbeddings(model.levels.sizes, width)
    if model.tasks.specs:
        network.responses = ResponseHeads(
            model.tasks,
            width=width,
            dim=head.dim,
            hidden=responses.dim,
            dropout=responses.dropout,
            count_features=model.count_features,
        )
    if history.repeat_bias:
        network.repeat_bias = RepeatBias(len(model.catalog), head.dim)
    if settings.targets == "both":
        network.in_basket = torch.nn.Linear(width, head.dim)
    if training and head.warm_start is not None:
        network.items.warm_start(torch.from_numpy(warm_vectors(head.warm_start, model.catalog, head.dim)))
    limit = getattr(adapted.config, "max_position_embeddings", None) or history.max_tokens
    return HistoryEncoder(
        network.to(device_name()),
        tokenizer,
        serializer,
        history.max_items,
        min(history.max_tokens, limit),
        settings.batch_tokens,
    )
