"""Encode the text of a catalog's items, for every model that reads texts instead of ids."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Float32s
from llmrec.models.base import Recommender


def text_encodings(model: Recommender) -> Float32s:
    """Encode every item of a model's catalog as its recipe says; the encoder is noted in its metadata."""
    from llmrec.llm.texts import encode_texts
    from llmrec.prompting.lines import item_texts
    from llmrec.prompting.prompt import Prompt

    settings = model.recipe.text
    texts = item_texts(model.catalog, Prompt.load(settings.prompt, settings.language))
    vectors, model.metadata["encoder"] = encode_texts(texts, settings.encoder, encoder_type=settings.encoder_type)
    return vectors


def standardize(vectors: Float32s) -> tuple[Float32s, Float32s, float]:
    """Centre vectors and scale them to unit mean square. Returns the result, the mean and the scale.

    LLM states share a large common part that would make all texts look alike.
    """
    mean = vectors.mean(axis=0)
    scale = float(np.sqrt(np.mean((vectors - mean) ** 2))) or 1.0
    return ((vectors - mean) / scale).astype(np.float32), mean.astype(np.float32), scale
