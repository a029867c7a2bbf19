"""Score candidates by prompting an untuned chat LLM: by its probabilities, never by parsing what it writes."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from llmrec.arrays import Float64s, Int64s
from llmrec.errors import ModelError, PromptError
from llmrec.llm.chat import check_chat, encode_chat
from llmrec.llm.ragged import RaggedTokens
from llmrec.prompting.prompt import Language, Prompt
from llmrec.training.batching import by_length

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmrec.llm.decode import Decoder, DecodingState

PromptMode = Literal["order", "letter", "title"]

BATCH_TOKENS = 8192
LETTERS = string.ascii_uppercase
PROMPTS: dict[PromptMode, str] = {"order": "rank", "letter": "rank-letter", "title": "rank-title"}


@dataclass(frozen=True)
class Question:
    """Which of the ``candidates`` comes after ``history`` (oldest first)? Both are titles, one line each."""

    history: tuple[str, ...]
    candidates: tuple[str, ...]


class PromptScorer:
    """A base model with a chat template, loaded at the first use, that scores candidates in one of three ways.

    ``order``: it writes all letters, best first, each chosen among those left; a score is minus the rank.
    ``letter``: one forward pass; a score is the log-probability of the candidate's letter as the answer.
    ``title``: a score is the mean log-probability of a token of the candidate's title as the answer: an
    untuned model has no idea of titles as a whole, and by their sum the short ones would win.
    """

    def __init__(self, base: str, mode: PromptMode, *, language: Language = "en") -> None:
        self.base, self.mode = base, mode
        self.prompt = Prompt.load(PROMPTS[mode], language)

    def scores(self, questions: Sequence[Question]) -> list[Float64s]:
        """Score the candidates of each question, higher is better. Raises ModelError for a model without a chat
        template, PromptError for a question that does not fit in its context even without a history."""
        import torch

        rows = [self._fitting(question) for question in questions]
        sizes = np.array([len(row) for row in rows], dtype=np.int64)
        scores: list[Float64s] = [np.empty(0)] * len(rows)
        with torch.inference_mode():
            # Titles repeat the cache of a question for each candidate: one question at a time.
            for batch in by_length(sizes, 0 if self.mode == "title" else BATCH_TOKENS):
                of_batch = self._scores([questions[n] for n in batch], [rows[n] for n in batch])
                for n, values in zip(batch, of_batch, strict=True):
                    scores[n] = values
        return scores

    def messages(self, question: Question, start: int = 0) -> list[dict[str, str]]:
        """Write the question for a chat template, its history from index ``start`` on."""
        lettered = [
            {"letter": letter, "title": title} for letter, title in zip(LETTERS, question.candidates, strict=False)
        ]
        candidates = {} if self.mode == "title" else {"candidates": lettered}
        return self.prompt.messages(history=question.history[start:], **candidates)

    def _scores(self, questions: list[Question], rows: list[list[int]]) -> list[Float64s]:
        state = self._read(rows)
        if self.mode == "title":
            return [self._by_title(state, questions[0])]
        counts = np.array([len(question.candidates) for question in questions])
        if self.mode == "letter":
            return list(self._by_letter(state, counts))
        return self._by_order(state, counts)

    def _by_title(self, state: DecodingState, question: Question) -> Float64s:
        decoder, tokenizer = self._loaded
        plain = {"add_special_tokens": False, "split_special_tokens": True}
        ids = [tokenizer(title, **plain)["input_ids"] or [self._newline] for title in question.candidates]
        titles = RaggedTokens.of(ids)
        return decoder.log_likelihoods(state, titles, budget=BATCH_TOKENS) / titles.lengths

    def _by_letter(self, state: DecodingState, counts: Int64s) -> Iterator[Float64s]:
        rows = np.repeat(np.arange(len(counts)), counts)
        tokens = np.concatenate([self._letter_tokens[:count] for count in counts])
        flat = self._loaded[0].log_probabilities(state.last, rows, tokens)
        yield from np.split(flat, np.cumsum(counts)[:-1])

    def _by_order(self, state: DecodingState, counts: Int64s) -> list[Float64s]:
        """Let each row write one letter a line, each letter once."""
        decoder, tokens = self._loaded[0], self._letter_tokens
        left = np.arange(int(counts.max()))[None] < counts[:, None]
        scores = [np.zeros(count) for count in counts]
        active = np.arange(len(counts))
        for step in range(int(counts.max())):
            rows, letters = np.nonzero(left[active])
            values = np.full((len(active), left.shape[1]), -np.inf)
            values[rows, letters] = decoder.log_probabilities(state.last, rows, tokens[letters])
            chosen = values.argmax(axis=1)
            for row, letter in zip(active, chosen, strict=True):
                scores[row][letter] = -step
            left[active, chosen] = False
            on = left[active].any(axis=1)
            active, chosen = active[on], chosen[on]
            if not len(active):
                break
            written = np.stack([tokens[chosen], np.full(len(chosen), self._newline)], axis=1)
            state = decoder.append(state, np.flatnonzero(on), written)
        return scores

    def _read(self, rows: list[list[int]]) -> DecodingState:
        import torch

        tokens = torch.full((len(rows), max(map(len, rows))), -1, dtype=torch.long)
        for n, row in enumerate(rows):
            tokens[n, -len(row) :] = torch.tensor(row)
        decoder = self._loaded[0]
        return decoder.read(decoder.embed(tokens), tokens >= 0)

    def _fitting(self, question: Question) -> list[int]:
        """Write the question with as many of the newest items as the model can read."""
        decoder, tokenizer = self._loaded
        room = None if decoder.context is None else decoder.context - self._answer_tokens(question)
        row: list[int] = []
        for start in range(len(question.history) + 1):
            row = encode_chat(tokenizer, self.messages(question, start))
            if room is None or len(row) <= room:
                return row
        raise PromptError(
            f"prompt '{self.prompt.name}' with {len(question.candidates)} candidates takes {len(row)} tokens even "
            f"without a history; base model '{self.base}' has room for {room}; give fewer candidates"
        )

    def _answer_tokens(self, question: Question) -> int:
        if self.mode == "title":
            return max(map(len, self._loaded[1](list(question.candidates))["input_ids"]))
        return 2 * len(question.candidates)

    @cached_property
    def _loaded(self) -> tuple[Decoder, PreTrainedTokenizerBase]:
        from llmrec.llm.decode import Decoder, check_head
        from llmrec.llm.weights import load_causal_lm
        from llmrec.runtime import device_name

        model, tokenizer = load_causal_lm(self.base)
        check_chat(self.base, model, tokenizer)
        on_device: Any = model
        check_head(on_device.to(device_name()))
        return Decoder(on_device), tokenizer

    @cached_property
    def _letter_tokens(self) -> Int64s:
        """The token of each letter. Raises ModelError for a tokenizer that needs several for one."""
        ids = [self._loaded[1](letter, add_special_tokens=False)["input_ids"] for letter in LETTERS]
        if any(len(tokens) != 1 for tokens in ids) or len({tokens[0] for tokens in ids}) != len(ids):
            raise ModelError(
                f"the tokenizer of base model '{self.base}' has no single token for each letter; score titles "
                "instead (mode='title')"
            )
        return np.array([tokens[0] for tokens in ids], dtype=np.int64)

    @cached_property
    def _newline(self) -> int:
        from llmrec.llm.serialize import newline_token

        return newline_token(self._loaded[1])
