"""Let an LLM recommender take in items that came after its training."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from llmrec.data import Catalog
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.files import head_parameters, put_head

if TYPE_CHECKING:
    from llmrec.models.llm.recommender import LLMRecommender


def add_rows(model: LLMRecommender, added: pl.DataFrame) -> None:
    """Encode new catalog rows as the first ones were, and put them behind these everywhere."""
    from llmrec.llm.backbone import plain

    network, tokenizer = model.encoder.network, model.encoder.tokenizer
    lines = model.serializer_of(tokenizer, Catalog(added))
    with plain(network.model) if model.recipe.head.item_encoder == "frozen" else nullcontext():
        raw = model.encode_item_texts(network.model, lines)
    model.texts = np.concatenate([model.texts, (raw - model.text_mean) / model.text_scale]).astype(np.float32)
    model.counts = np.concatenate([model.counts, np.zeros(added.height, dtype=np.float32)])
    trained = {name: value.detach().cpu().numpy() for name, value in head_parameters(model)}
    model.catalog = Catalog(pl.concat([model.catalog.table, added]))
    model.fields = model.fields.extended(added.height)
    both = model.encoder.serializer.followed_by(lines)
    model.encoder = build_encoder(model, network.model, tokenizer=tokenizer, serializer=both)
    put_head(model, trained)
    model.encoder.network.eval()
    model.take_vectors()
    model.metadata["added_items"] = model.metadata.get("added_items", 0) + added.height
