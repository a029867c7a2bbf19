"""Everything of an LLM recommender that stands before its first training step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from llmrec.arrays import Float32s
from llmrec.config import Recipe
from llmrec.data import Dataset, Sequences
from llmrec.errors import ModelError
from llmrec.llm.bases import Base, find_base
from llmrec.models.continuation import Continuation
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.continued import ContinuedLLM
from llmrec.models.llm.serializer import cached_serializer, event_tokens_of
from llmrec.models.llm.state import HistoryPrompts, LLMState
from llmrec.models.responses.fields import EventFields
from llmrec.models.text_encodings import TextEncodings
from llmrec.resources.bounded import read_json
from llmrec.resources.cache import replace_file
from llmrec.training.distributed import on_first


def untrained_state(
    recipe: Recipe,
    data: Dataset,
    fields: EventFields,
    *,
    work_dir: Path | None,
    continuation: Continuation | None = None,
) -> LLMState:
    """Load the base model, tokenize and encode the catalog, and put an adapter and a head on.

    ``work_dir`` caches the tokenized catalog. ``continuation``: the run whose adapter and head go on; else they
    are fresh.
    """
    from llmrec.llm.backbone import add_adapter, load_backbone
    from llmrec.llm.encode import encode_item_texts
    from llmrec.models.llm.indexed_items import IndexedItems
    from llmrec.runtime import device_name
    from llmrec.training.advice import memory_advice

    prompts, share_of_run = HistoryPrompts.load(recipe), recipe.train.shrink
    model, tokenizer = load_backbone(recipe.backbone, (base := _base_of(recipe, work_dir)))
    model.to(device_name())  # type: ignore[arg-type]  # transformers' stub wants a model here
    serializer = cached_serializer(recipe, data.catalog, prompts, tokenizer, work_dir)
    serializer = replace(serializer, events=event_tokens_of(prompts, fields, tokenizer))
    before = None if continuation is None else ContinuedLLM(continuation, model, base)
    with memory_advice(recipe.train):
        if before is not None:
            encodings = before.encodings(data.catalog, prompts, serializer.encoded, recipe)
        else:
            vectors = encode_item_texts(model, serializer.encoded, batch_tokens=recipe.train.batch_tokens)
            encodings = TextEncodings.standardized(vectors)
    encoder = build_encoder(
        recipe,
        add_adapter(model, recipe.lora) if before is None else before.adapted,
        tokenizer=tokenizer,
        serializer=serializer,
        encodings=encodings,
        counts=(counts := _counts(data)),
        fields=fields,
        training=True,
    )
    if before is not None:
        before.put_head(encoder.network, data.catalog, share=share_of_run)
    items = IndexedItems.of(encoder.network.eval())
    return LLMState(base, data.catalog, prompts, fields, encodings, counts, encoder, items)


def _counts(data: Dataset) -> Float32s:
    """Count each item's events, [n_items].

    Also of what was sent back: such an item is known, and pushed away where it is never a target.
    """
    codes = Sequences.encode(data.histories, data.catalog).codes
    return np.bincount(codes, minlength=len(data.catalog)).astype(np.float32)


def _base_of(recipe: Recipe, work_dir: Path | None) -> Base:
    """Find a recipe's base. Raises ModelError where an interrupted training began on another."""
    base = find_base(recipe.backbone.base)
    if work_dir is not None:
        on_first(lambda: _check_same_base(base, work_dir))
    return base


def _check_same_base(base: Base, work_dir: Path) -> None:
    """Note what training began on, or check that it is the same. Raises ModelError."""
    note = work_dir / "base.json"
    began_on = read_json(note) if note.is_file() else base.identity
    if began_on != base.identity:
        raise ModelError(
            f"{work_dir} was begun on another '{base.name}' ({began_on}, here it is {base.identity}): restore "
            "that, or remove this folder and train anew"
        )
    replace_file(note, json.dumps(base.identity))
