"""Answer chats with a causal LLM on this machine: greedy, batched, what chats have in common read once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrec.errors import ModelError
from llmrec.llm.backbone import cache_option, load_adapter
from llmrec.llm.constrained import Quotes, allowed_only
from llmrec.runtime import device_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, str]]


class Chat:
    """A base model with a chat template, loaded at the first use and kept.

    ``base`` is a local folder, a known name or a hub id; ``adapter`` a folder with a LoRA adapter, folded in.
    It runs on this machine's accelerator if there is one; ``batch`` chats are answered at a time.
    """

    def __init__(
        self, base: str, *, adapter: Path | None = None, batch: int = 16, max_new_tokens: int = 80
    ) -> None:
        self.base, self.adapter = base, adapter
        self.batch, self.max_new_tokens = batch, max_new_tokens

    def answer(self, chats: Sequence[Messages], *, quotes: Sequence[Quotes] | None = None) -> list[str]:
        """Continue each chat by one turn, in order.

        ``quotes``, one for each chat, says what may stand between quotation marks: no other token is chosen
        there. Raises ModelError for a model without a chat template.
        """
        rows = [self.encode(chat) for chat in chats]
        written = [""] * len(rows)
        for places in groups(rows, self.batch):
            for place, text in zip(places, self._answer_group(rows, places, quotes), strict=True):
                written[place] = text
        return written

    def encode(self, messages: Messages) -> list[int]:
        """Tokenize a chat so that only the template's own markup becomes special tokens."""
        return encode_chat(self.loaded[1], messages)

    @cached_property
    def loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model in evaluation mode, and its tokenizer."""
        from llmrec.llm.weights import load_causal_lm

        model, tokenizer = load_causal_lm(self.base)
        if not tokenizer.chat_template:
            raise ModelError(f"base model '{self.base}' has no chat template; use an instruct model")
        placed: Any = model
        if self.adapter is not None:
            placed = load_adapter(model, self.adapter).merge_and_unload()
        return placed.to(device_name()), tokenizer

    def _answer_group(
        self, rows: list[list[int]], places: list[int], quotes: Sequence[Quotes] | None
    ) -> Iterator[str]:
        """Answer chats that begin alike. The start is read once, then copied for every batch."""
        begin = common_start([rows[place] for place in places])
        start = _read(self.loaded[0], rows[places[0]][:begin])
        for first in range(0, len(places), self.batch):
            part = places[first : first + self.batch]
            inside = None if quotes is None else [quotes[place] for place in part]
            yield from self._continue([rows[place] for place in part], begin, _copies(start, len(part)), inside)

    def _continue(
        self, rows: list[list[int]], begin: int, cache: Any, quotes: Sequence[Quotes] | None
    ) -> list[str]:
        """Generate behind rows whose first ``begin`` tokens are in ``cache``; the rest is padded on the left."""
        import torch

        model: Any
        tokenizer: Any
        model, tokenizer = self.loaded
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for n, row in enumerate(rows):
            rest = len(row) - begin
            ids[n, :begin], ids[n, width - rest :] = torch.tensor(row[:begin]), torch.tensor(row[begin:])
            mask[n, :begin], mask[n, width - rest :] = 1, 1
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                **cache_option(model, cache),
                logits_processor=None if quotes is None else allowed_only(tokenizer, quotes, width),
                do_sample=False,
                max_new_tokens=self.max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )
        return [text.strip() for text in tokenizer.batch_decode(out[:, width:].cpu(), skip_special_tokens=True)]


def encode_chat(tokenizer: Any, messages: Messages) -> list[int]:
    """Tokenize a chat up to the answer; only the template's own markup becomes special tokens."""
    # Private-use characters stand for the contents while the template writes around them.
    marked = [{"role": turn["role"], "content": f"\ue010{n}\ue011"} for n, turn in enumerate(messages)]
    frame = tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=True)
    ids: list[int] = []
    for place, piece in enumerate(re.split("\ue010([0-9]+)\ue011", frame)):
        content = place % 2 == 1
        text = messages[int(piece)]["content"] if content else piece
        ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=content)
    return ids


def groups(rows: list[list[int]], batch: int) -> Iterator[list[int]]:
    """Group rows that have at least half their tokens in common at the start; within a group by length.

    Rows of about the same length go together: padding is work. What would not fill a batch goes into one group
    with its like, as a batch saves more than a common start does.
    """
    order = sorted(range(len(rows)), key=lambda place: rows[place])
    cuts = [
        n
        for n in range(1, len(order))
        if 2 * common_start([rows[order[n - 1]], rows[order[n]]]) < min(len(rows[p]) for p in order[n - 1 : n + 1])
    ]
    alike = [order[first:last] for first, last in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    few = [place for group in alike if len(group) < batch for place in group]
    for group in (*(group for group in alike if len(group) >= batch), few):
        if group:
            yield sorted(group, key=lambda place: (len(rows[place]), place))


def common_start(rows: list[list[int]]) -> int:
    """Count the tokens that all rows begin with, leaving every row at least one of its own."""
    shortest = min(map(len, rows)) - 1
    # What the first and the last in sorted order have in common, all between them have too.
    low, high = min(rows), max(rows)
    return next((n for n in range(shortest) if low[n] != high[n]), shortest)


def _read(model: Any, start: list[int]) -> Any:
    """Return the key-value cache of a common start; None for a start of nothing."""
    import torch
    from transformers import DynamicCache

    if not start:
        return None
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=torch.tensor([start]).to(model.device), use_cache=True, **cache_option(model, cache))
    return cache


def _copies(cache: Any, copies: int) -> Any:
    """Return a cache for so many rows; generating changes it, so the original is left alone."""
    import copy

    if cache is None:
        return None
    several = copy.deepcopy(cache)
    several.batch_repeat_interleave(copies)
    return several
