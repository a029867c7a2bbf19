"""Encode the text of a catalog's items, for every model that reads texts instead of ids."""

from __future__ import annotations

from llmrec.models.base import Recommender, Scores


def item_texts(model: Recommender) -> Scores:
    """Encode every item of a model's catalog as its recipe says; the encoder is noted among its facts."""
    from llmrec.llm.texts import encode_texts
    from llmrec.prompting.lines import item_texts
    from llmrec.prompting.prompt import Prompt

    settings = model.recipe.text
    lines = item_texts(model.catalog, Prompt.load(settings.prompt, settings.language))
    vectors, model.metadata["encoder"] = encode_texts(lines, settings.encoder, reader=settings.encoder)
    return vectors
