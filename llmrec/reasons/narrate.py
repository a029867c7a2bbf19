"""Turn evidence into one sentence each: by a plain template, or by a local LLM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from llmrec.errors import ModelError
from llmrec.prompting import Language, Prompt
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.wording import listed, quoted, spoken
from llmrec.runtime import device_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# A small model copies two titles reliably; with three it often invents or swaps one.
NAMED = 2


class Narrator(Protocol):
    """Anything that words evidence. ``backend`` says in the table who wrote a sentence."""

    @property
    def backend(self) -> str:
        """A short name such as "llm"."""

    def narrate(self, evidence: list[Evidence]) -> list[str]:
        """Write one sentence for each, in order."""


class TemplateNarrator:
    """Words evidence without any LLM; every sentence passes the audit."""

    backend = "template"

    def __init__(self, *, language: Language = "en") -> None:
        self.language: Language = language
        self._prompt = Prompt.load("reason", language)

    def narrate(self, evidence: list[Evidence]) -> list[str]:
        """Write one sentence for each, in order; what varies are the facts."""
        return [self._prompt.render("answer", **facts(one, self.language)) for one in evidence]


class LocalNarrator:
    """Words evidence by a causal LLM on this machine: greedy, batched, without any adapter.

    ``base`` is a local folder, a known name or a hub id of a model with a chat template. It is loaded at the
    first use, on this machine's accelerator if it has one, and kept. Evidence without a cited item gives it
    nothing to tell: ``explain`` hands it none.
    """

    backend = "llm"

    def __init__(self, base: str, *, language: Language = "en", max_new_tokens: int = 80, batch: int = 16) -> None:
        self.base, self.language = base, language
        self.max_new_tokens, self.batch = max_new_tokens, batch
        self._prompts = {shared: Prompt.load(_prompt_name(shared), language) for shared in (False, True)}

    def speaking(self, language: Language) -> LocalNarrator:
        """Return this narrator in another language; a model that is loaded already is shared."""
        other = LocalNarrator(self.base, language=language, max_new_tokens=self.max_new_tokens, batch=self.batch)
        if "_loaded" in vars(self):
            vars(other)["_loaded"] = self._loaded
        return other

    def narrate(self, evidence: list[Evidence]) -> list[str]:
        """Write one sentence for each, in order. Raises ModelError for a model without a chat template."""
        rows = [self._encode(self._messages(one)) for one in evidence]
        # Rows of about the same length go together: padding is work.
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        written = [""] * len(rows)
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            for place, text in zip(part, self._generate([rows[place] for place in part]), strict=True):
                written[place] = text
        return written

    def _messages(self, one: Evidence) -> list[dict[str, str]]:
        values = facts(one, self.language, named=NAMED)
        return self._prompts[bool(values["shared"])].messages(**values)

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        from llmrec.llm.weights import load_causal_lm

        model, tokenizer = load_causal_lm(self.base)
        if not tokenizer.chat_template:
            raise ModelError(f"base model '{self.base}' has no chat template; use an instruct model")
        placed: Any = model
        return placed.to(device_name()), tokenizer

    def _encode(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Tokenize a chat so that only the template's own markup becomes special tokens."""
        tokenizer: Any = self._loaded[1]
        # Private-use characters stand for the contents while the template writes around them.
        marked = [{"role": turn["role"], "content": f"\ue010{n}\ue011"} for n, turn in enumerate(messages)]
        frame = tokenizer.apply_chat_template(marked, tokenize=False, add_generation_prompt=True)
        ids: list[int] = []
        for place, piece in enumerate(re.split("\ue010([0-9]+)\ue011", frame)):
            content = place % 2 == 1
            text = messages[int(piece)]["content"] if content else piece
            ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=content)
        return ids

    def _generate(self, rows: list[list[int]]) -> list[str]:
        """Continue rows of token ids and return the first line of each.

        What all rows begin with (instructions, examples) is read once; the rest is padded on the left.
        """
        import torch

        model: Any
        tokenizer: Any
        model, tokenizer = self._loaded
        begin = _common_start(rows)
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
                past_key_values=_read_once(model, rows[0][:begin], len(rows)),
                do_sample=False,
                max_new_tokens=self.max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )
        texts = tokenizer.batch_decode(out[:, width:].cpu(), skip_special_tokens=True)
        return [text.strip().split("\n", 1)[0].strip() for text in texts]


def _common_start(rows: list[list[int]]) -> int:
    """Count the tokens that all rows begin with, leaving every row at least one of its own."""
    shortest = min(map(len, rows)) - 1
    return next((n for n in range(shortest) if len({row[n] for row in rows}) > 1), shortest)


def _read_once(model: Any, start: list[int], copies: int) -> Any:
    """Return the key-value cache of a common start, one copy a row; None for a start of nothing."""
    import torch
    from transformers import DynamicCache

    if not start:
        return None
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=torch.tensor([start]).to(model.device), past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(copies)
    return cache


def facts(one: Evidence, language: Language, *, named: int | None = None) -> dict[str, object]:
    """Return what a prompt may say: ``item``, ``chosen`` (the ``named`` strongest), ``count``, ``shared``."""
    # Two releases under one title are named once.
    distinct = {spoken(other.title): other for other in reversed(one.cited)}
    cited = list(reversed(distinct.values()))[:named]
    shared = [genre for genre in one.item.genres if cited and all(genre in other.genres for other in cited)]
    return {
        "item": quoted(one.item.title, language),
        "chosen": listed([quoted(other.title, language) for other in cited], language),
        "count": len(cited),
        "shared": shared[0] if shared else "",
    }


def _prompt_name(shared: bool) -> str:
    return "explain-shared" if shared else "explain"
