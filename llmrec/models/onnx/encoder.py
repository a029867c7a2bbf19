"""What of a fitted model goes into an ONNX file: the network, and how items are scored by what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmrec.arrays import Float32s
from llmrec.errors import DataError
from llmrec.models.llm.export import merged_model
from llmrec.models.llm.recommender import LLMRecommender
from llmrec.models.ranker import Ranker
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.models.sequential.base import SequentialRecommender

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network that turns the newest ``max_items`` item codes of histories into vectors, [n, dim].

    Their products with ``items`` [n_items, dim], plus ``biases`` [n_items], are the model's scores.
    """

    network: nn.Module
    items: Float32s
    biases: Float32s
    max_items: int


def encoder_of(model: Ranker, run: Path) -> Encoder:
    """Return the encoder of a model, loaded from ``run``, in float32 on the CPU.

    Raises DataError for a model whose scores are not products of two vectors, one of the items' ids alone.
    """
    if not isinstance(model, SequentialRecommender | LLMRecommender):
        raise DataError(
            f"{run} holds a {model.kind} model; only histories of networks over items (gru, sasrec, llm, ...) "
            "are exported to onnx"
        )
    recipe = model.recipe
    if recipe.history.repeat_bias:
        raise DataError(f"{run} adds to scores what repeats say (history.repeat_bias), which no vector holds")
    if isinstance(model, RespondingRecommender) and (
        recipe.history.events or recipe.responses.rank_by != "relevance"
    ):
        raise DataError(
            f"{run} reads or ranks by more of events than their items; export a run without history.events"
        )
    return _of_llm(model, run) if isinstance(model, LLMRecommender) else _of_sequences(model)


def _of_sequences(model: SequentialRecommender) -> Encoder:
    from llmrec.models.onnx.networks import LastStates

    network = model.network.cpu().float().eval()
    biases = network.bias.detach().numpy()
    return Encoder(LastStates(network).eval(), model.item_vectors(), biases, model.recipe.sequence.max_items)


def _of_llm(model: LLMRecommender, run: Path) -> Encoder:
    import torch

    from llmrec.llm.plain_llama import PlainLlama
    from llmrec.models.onnx.networks import LastUserVectors

    recipe = model.recipe
    if recipe.history.encoding != "soft":
        raise DataError(
            f"{run} reads histories as {recipe.history.encoding}; only those of item vectors "
            "(history.encoding=soft) are exported to onnx"
        )
    if recipe.backbone.quantize != "none":
        raise DataError(f"{run} has a 4-bit base, into which no adapter is merged; nothing goes to onnx")
    encoder = model.encoder
    network = encoder.network.cpu().float().eval()
    network.bf16 = False
    plain = isinstance(network.model, PlainLlama)
    blocks = network.model if plain else merged_model(model, run).cpu().float().eval().base_model
    prefix = encoder.serializer.prefix
    items = model.state.items
    return Encoder(
        LastUserVectors(network, blocks, torch.from_numpy(prefix)).eval(),
        items.temperature * items.vectors,
        items.biases,
        min(encoder.max_items, encoder.max_tokens - len(prefix)),
    )
