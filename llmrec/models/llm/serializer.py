"""Make a model's serializer: write every item by its prompts, and tokenize it once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.llm.encodings import HistoryEncoding, encoding_of
from llmrec.llm.event_tokens import EventTokens
from llmrec.llm.serialize import Serializer
from llmrec.models.llm.state import HistoryPrompts
from llmrec.models.responses.fields import EventFields
from llmrec.prompting.item_text import item_texts
from llmrec.resources.cache import appearing
from llmrec.training.distributed import on_first

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenized(
    catalog: Catalog, prompts: HistoryPrompts, tokenizer: PreTrainedTokenizerBase, *, encoding: HistoryEncoding
) -> Serializer:
    """Write every item by a model's prompts and tokenize it."""
    return Serializer.build(
        tokenizer,
        item_texts(catalog, prompts.item),
        prefix=prompts.history.render("user"),
        encoding=encoding,
        encoder_texts=None if prompts.encoder is None else item_texts(catalog, prompts.encoder),
    )


def event_tokens_of(
    prompts: HistoryPrompts, fields: EventFields, tokenizer: PreTrainedTokenizerBase
) -> EventTokens | None:
    """Return what writes events, None where they are not read."""
    return None if prompts.event is None else EventTokens(fields.bins, prompts.event, tokenizer)


def cached_serializer(
    recipe: Recipe,
    catalog: Catalog,
    prompts: HistoryPrompts,
    tokenizer: PreTrainedTokenizerBase,
    work_dir: Path | None,
) -> Serializer:
    """Tokenize the catalog; with ``work_dir`` once and for all, saved there and memory-mapped."""
    encoding = encoding_of(recipe.history)
    if work_dir is None:
        return tokenized(catalog, prompts, tokenizer, encoding=encoding)
    path = work_dir / "tokens"

    def write() -> None:
        if not path.is_dir():
            with appearing(path) as temporary:
                tokenized(catalog, prompts, tokenizer, encoding=encoding).save(temporary)

    on_first(write)
    return Serializer.load(path, encoding)
