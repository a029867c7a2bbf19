"""Let an LLM recommender take in items that came after its training."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import polars as pl

from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.files import head_arrays, put_head
from llmrec.models.llm.serializer import tokenized
from llmrec.models.llm.state import LLMState


def with_items(state: LLMState, added: pl.DataFrame, recipe: Recipe) -> LLMState:
    """Encode new catalog rows as the first ones were, and append them to everything that is known of items."""
    from llmrec.llm.backbone import without_adapter
    from llmrec.llm.encode import encode_item_texts
    from llmrec.training.advice import memory_advice

    network, tokenizer, serializer = state.encoder.network, state.encoder.tokenizer, state.encoder.serializer
    new = tokenized(Catalog(added), state.prompts, tokenizer, encoding=serializer.encoding)
    adapter_off = without_adapter(network.model) if recipe.head.item_encoder == "frozen" else nullcontext()
    with adapter_off, memory_advice(recipe.train):
        vectors = encode_item_texts(network.model, new.item_tokens, batch_tokens=recipe.train.batch_tokens)
    encodings = state.encodings.extended(vectors)
    counts = np.concatenate([state.counts, np.zeros(added.height, dtype=np.float32)])
    fields = state.fields.extended(added.height)
    encoder = build_encoder(
        recipe,
        network.model,
        tokenizer=tokenizer,
        serializer=serializer.followed_by(new),
        encodings=encodings,
        counts=counts,
        fields=fields,
    )
    put_head(encoder.network, head_arrays(network))
    encoder.network.eval()
    catalog = Catalog(pl.concat([state.catalog.table, added]))
    extended = replace(state, catalog=catalog, fields=fields, encodings=encodings, counts=counts, encoder=encoder)
    return extended.refreshed()
