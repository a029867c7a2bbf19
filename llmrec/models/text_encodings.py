"""Encode the text of a catalog's items, for every model that reads texts instead of ids."""

from __future__ import annotations

from llmrec.arrays import Float32s
from llmrec.models.base import Recommender


def text_encodings(model: Recommender) -> Float32s:
    """Encode every item of a model's catalog as its recipe says; the encoder is noted among its facts."""
    from llmrec.llm.texts import encode_texts
    from llmrec.prompting.lines import item_texts
    from llmrec.prompting.prompt import Prompt

    settings = model.recipe.text
    texts = item_texts(model.catalog, Prompt.load(settings.prompt, settings.language))
    vectors, model.metadata["encoder"] = encode_texts(texts, settings.encoder, encoder_type=settings.encoder_type)
    return vectors
