"""Let an LLM recommender take in items that came, or whose text changed, after its training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.data.catalog_changes import CatalogChange
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.files import head_arrays, put_head
from llmrec.models.llm.serializer import tokenized
from llmrec.models.llm.state import LLMState


def with_change(state: LLMState, change: CatalogChange, recipe: Recipe) -> LLMState:
    """Return the state for another catalog: new and changed texts are encoded as the first ones were, only those.

    What was learned of an item besides its text, its residual and its bias, stays.
    """
    rows = state.prompts.changed(change)
    if len(rows):
        state = _with_texts(state, change.catalog.table[rows], rows, recipe)
    return replace(state, catalog=change.catalog)


def _with_texts(state: LLMState, items: pl.DataFrame, rows: Int64s, recipe: Recipe) -> LLMState:
    """Encode catalog rows and put them at ``rows`` [n], of which those beyond the catalog are new."""
    from llmrec.llm.backbone import twin_without_adapter
    from llmrec.llm.encode import encode_item_texts
    from llmrec.training.advice import memory_advice

    network, tokenizer, serializer = state.encoder.network, state.encoder.tokenizer, state.encoder.serializer
    new = tokenized(Catalog(items), state.prompts, tokenizer, encoding=serializer.encoding)
    frozen = recipe.head.item_encoder == "frozen"
    with memory_advice(recipe.train):
        model = twin_without_adapter(network.model) if frozen else network.model
        vectors = encode_item_texts(model, new.encoded, batch_tokens=recipe.train.batch_tokens)
    encodings = state.encodings.with_rows(rows, vectors)
    n_added = len(encodings.texts) - len(state.counts)
    counts, fields = np.pad(state.counts, (0, n_added)), state.fields.extended(n_added)
    encoder = build_encoder(
        recipe,
        network.model,
        tokenizer=tokenizer,
        serializer=serializer.with_rows(rows, new),
        encodings=encodings,
        counts=counts,
        fields=fields,
    )
    put_head(encoder.network, head_arrays(network))
    encoder.network.eval()
    return replace(state, fields=fields, encodings=encodings, counts=counts, encoder=encoder).refreshed()
