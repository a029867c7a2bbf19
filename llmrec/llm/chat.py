"""Answer chats with a causal LLM on this machine: greedy, batched, their common prefix read once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from llmrec.errors import ModelError
from llmrec.llm.adapter_files import SavedAdapter, load_adapter
from llmrec.llm.backbone import cache_option
from llmrec.llm.bases import Base
from llmrec.llm.constrained import Quotes, allowed_only
from llmrec.llm.weights import n_token_rows
from llmrec.runtime import device_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, str]]


class Chat:
    """A base model with a chat template, loaded at the first use and kept.

    ``base`` is a folder, a GGUF file, a known name or a hub id; ``adapter`` a LoRA adapter, folded in.
    It runs on this machine's accelerator if there is one; ``batch`` chats are answered at a time.
    """

    def __init__(
        self, base: str | Base, *, adapter: SavedAdapter | None = None, batch: int = 16, max_new_tokens: int = 80
    ) -> None:
        self._source, self.adapter = base, adapter
        self.base = base if isinstance(base, str) else base.name
        self.batch, self.max_new_tokens = batch, max_new_tokens

    def answer(self, chats: Sequence[Messages], *, quotes: Sequence[Quotes] | None = None) -> list[str]:
        """Continue each chat by one turn, in order.

        ``quotes``, one for each chat, says what may stand between quotation marks: no other token is chosen
        there. Raises ModelError for a model that has no chat template or whose template refuses these turns.
        """
        rows = [self.encode(chat) for chat in chats]
        written = [""] * len(rows)
        for group in prefix_groups(rows, self.batch):
            for n, text in zip(group, self._answer_group(rows, group, quotes), strict=True):
                written[n] = text
        return written

    def encode(self, messages: Messages) -> list[int]:
        """Tokenize a chat so that only the template's own markup becomes special tokens."""
        return encode_chat(self.loaded[1], messages)

    @cached_property
    def loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model in evaluation mode, and its tokenizer."""
        from llmrec.llm.weights import load_causal_lm

        model, tokenizer = load_causal_lm(self._source)
        check_chat(self.base, model, tokenizer)
        loaded: Any = model
        if self.adapter is not None:
            loaded = load_adapter(model, self.adapter).merge_and_unload()
        return loaded.to(device_name()), tokenizer

    def _answer_group(
        self, rows: list[list[int]], group: list[int], quotes: Sequence[Quotes] | None
    ) -> Iterator[str]:
        """Answer chats with a common prefix. It is read once, its cache copied for every batch."""
        n_common = common_prefix([rows[n] for n in group])
        cache = _prefix_cache(self.loaded[0], rows[group[0]][:n_common])
        for first in range(0, len(group), self.batch):
            batch = group[first : first + self.batch]
            of_batch = None if quotes is None else [quotes[n] for n in batch]
            yield from self._continue([rows[n] for n in batch], n_common, _copies(cache, len(batch)), of_batch)

    def _continue(
        self, rows: list[list[int]], n_common: int, cache: Any, quotes: Sequence[Quotes] | None
    ) -> list[str]:
        """Generate after rows whose first ``n_common`` tokens are in ``cache``; the rest is padded on the left."""
        import torch
        from transformers import GenerationConfig

        model: Any
        tokenizer: Any
        model, tokenizer = self.loaded
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for n, row in enumerate(rows):
            rest = len(row) - n_common
            ids[n, :n_common], ids[n, width - rest :] = torch.tensor(row[:n_common]), torch.tensor(row[n_common:])
            mask[n, :n_common], mask[n, width - rest :] = 1, 1
        greedy = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=self.max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=model.generation_config.eos_token_id,
        )
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                **cache_option(model, cache),
                logits_processor=None if quotes is None else allowed_only(tokenizer, quotes, width),
                generation_config=greedy,
            )
        return [text.strip() for text in tokenizer.batch_decode(out[:, width:].cpu(), skip_special_tokens=True)]


def check_chat(base: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ModelError for a base model that cannot chat."""
    if not tokenizer.chat_template:
        raise ModelError(f"base model '{base}' has no chat template; use an instruct model")
    if max(encode_chat(tokenizer, [{"role": "user", "content": "?"}])) >= n_token_rows(model):
        raise ModelError(
            f"base model '{base}' has no embeddings for the tokens that its chat template writes; use an instruct "
            "model, or resize the embeddings"
        )


def encode_chat(tokenizer: Any, messages: Messages) -> list[int]:
    """Tokenize a chat up to the answer; only the template's own markup becomes special tokens.

    Raises ModelError where the template cannot write it.
    """
    # Private-use characters stand for the contents while the template writes around them.
    marked = [{"role": turn["role"], "content": f"\ue010{n}\ue011"} for n, turn in enumerate(messages)]
    try:
        frame = tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError, ValueError) as error:  # a template may do anything with its turns
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the chat template of {tokenizer.name_or_path} refuses these turns ({reason}); use another instruct "
            "model"
        ) from error
    ids: list[int] = []
    for n, piece in enumerate(re.split("\ue010([0-9]+)\ue011", frame)):
        content = n % 2 == 1
        text = messages[int(piece)]["content"] if content else piece
        ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=content)
    return ids


def prefix_groups(rows: list[list[int]], batch: int) -> Iterator[list[int]]:
    """Group rows whose common prefix is at least half of their tokens, as indices; within a group by length.

    Rows of about the same length go together: padding is work. What would not fill a batch goes into one group
    with its like, as a batch saves more than a common prefix does.
    """
    order = sorted(range(len(rows)), key=lambda n: rows[n])
    cuts = [
        end
        for end in range(1, len(order))
        if 2 * common_prefix([rows[order[end - 1]], rows[order[end]]])
        < min(len(rows[n]) for n in order[end - 1 : end + 1])
    ]
    alike = [order[first:last] for first, last in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    few = [n for group in alike if len(group) < batch for n in group]
    for group in (*(group for group in alike if len(group) >= batch), few):
        if group:
            yield sorted(group, key=lambda n: (len(rows[n]), n))


def common_prefix(rows: list[list[int]]) -> int:
    """Count the tokens that all rows begin with, leaving each row at least one token after them."""
    shortest = min(map(len, rows)) - 1
    # The prefix of the first and the last in sorted order is that of all between them, too.
    low, high = min(rows), max(rows)
    return next((n for n in range(shortest) if low[n] != high[n]), shortest)


def _prefix_cache(model: Any, prefix: list[int]) -> Any:
    """Return the key-value cache of a common prefix; None for one of no tokens."""
    import torch
    from transformers import DynamicCache

    if not prefix:
        return None
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=torch.tensor([prefix]).to(model.device), use_cache=True, **cache_option(model, cache))
    return cache


def _copies(cache: Any, copies: int) -> Any:
    """Return a cache for so many rows; generating changes it, so the original is left alone."""
    import copy

    if cache is None:
        return None
    several = copy.deepcopy(cache)
    several.batch_repeat_interleave(copies)
    return several
