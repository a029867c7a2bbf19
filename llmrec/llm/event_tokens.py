"""What events say besides their items, in tokens: each combination of field bins is written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Int32s, Int64s
from llmrec.data.histories import Histories
from llmrec.data.responses.field_bins import EventBins
from llmrec.llm.ragged import RaggedTokens
from llmrec.prompting.item_text import one_line
from llmrec.prompting.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class EventTokens:
    """The combinations of field bins met so far, each with its tokens; its code is its number, 0 says nothing.

    Grows as histories with new combinations are read: a cache, bounded by the product of the fields' bins.
    """

    def __init__(self, bins: EventBins, prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> None:
        self.bins, self._prompt, self._tokenizer = bins, prompt, tokenizer
        self._code_of: dict[tuple[int, ...], int] = {}
        self._tokens: list[list[int]] = []
        self._ragged = RaggedTokens.of([])
        self._add((0,) * len(bins.fields))

    @property
    def combinations(self) -> Int64s:
        """The bins of every combination, int64 [n_combinations, n_fields]."""
        return np.array(list(self._code_of), dtype=np.int64)

    @property
    def tokens(self) -> RaggedTokens:
        """The token ids of every combination: its words and a space."""
        if len(self._ragged) < len(self._tokens):
            self._ragged = RaggedTokens.of(self._tokens)
        return self._ragged

    def text(self, bins: Sequence[int]) -> str:
        """The words of an event of these bins, by the prompt's user part; "" where nothing is known."""
        said = self.bins.decoded(bins)
        return one_line(self._prompt.render("user", event=said)) if said else ""

    def codes(self, histories: Histories) -> Int32s:
        """Return the combination of every event, int32 [n_events]."""
        distinct, inverse = np.unique(self.bins.codes(histories), axis=0, return_inverse=True)
        codes = [self._code(tuple(int(index) for index in row)) for row in distinct]
        return np.array(codes, dtype=np.int32)[inverse.reshape(-1)]

    def _code(self, combination: tuple[int, ...]) -> int:
        code = self._code_of.get(combination)
        return self._add(combination) if code is None else code

    def _add(self, combination: tuple[int, ...]) -> int:
        code = self._code_of[combination] = len(self._tokens)
        words = self.text(combination)
        # Split, as items' texts are: a behavior called "<|im_end|>" is text, never chat markup.
        options = {"add_special_tokens": False, "split_special_tokens": True}
        self._tokens.append(self._tokenizer(f"{words} ", **options)["input_ids"] if words else [])
        return code
