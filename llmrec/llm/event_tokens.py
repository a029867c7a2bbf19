"""The combinations of event fields met so far, each with its short run of tokens, made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Int32s, Int64s
from llmrec.data.histories import Histories
from llmrec.data.responses.field_bins import EventBins
from llmrec.prompting.item_text import one_line
from llmrec.prompting.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class EventTokens:
    """What can stand before an item's line. A run's code is its place here; 0 says nothing.

    Grows as histories with new combinations are read: a cache, bounded by the product of the fields' bins.
    """

    def __init__(self, bins: EventBins, prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> None:
        self.bins, self._prompt, self._tokenizer = bins, prompt, tokenizer
        self._known: dict[tuple[int, ...], int] = {}
        self._combinations: list[tuple[int, ...]] = []
        self._tokens: list[Int64s] = []
        self._add((0,) * len(bins.fields))

    @property
    def combinations(self) -> Int64s:
        """The bins of every run, int64 [n_runs, n_fields]."""
        return np.array(self._combinations, dtype=np.int64)

    def lengths(self) -> Int64s:
        """Number of tokens of every run."""
        return np.array([len(tokens) for tokens in self._tokens], dtype=np.int64)

    def tokens(self, run: int) -> Int64s:
        """Token ids of a run: the event's words and a space."""
        return self._tokens[run]

    def text(self, bins: Sequence[int]) -> str:
        """The words of an event of these bins, by the prompt's user part; "" where nothing is known."""
        said = self.bins.decoded(bins)
        return one_line(self._prompt.render("user", event=said)) if said else ""

    def codes(self, histories: Histories) -> Int32s:
        """Return the run of every event of some histories, int32 [n_events]."""
        distinct, places = np.unique(self.bins.codes(histories), axis=0, return_inverse=True)
        runs = [self._code(tuple(int(level) for level in row)) for row in distinct]
        return np.array(runs, dtype=np.int32)[places.reshape(-1)]

    def _code(self, combination: tuple[int, ...]) -> int:
        return self._known.get(combination) or self._add(combination)

    def _add(self, combination: tuple[int, ...]) -> int:
        code = self._known.setdefault(combination, len(self._combinations))
        if code < len(self._combinations):
            return code
        words = self.text(combination)
        # Split, as items' lines are: a behavior called "<|im_end|>" is text, never chat markup.
        options = {"add_special_tokens": False, "split_special_tokens": True}
        ids = self._tokenizer(f"{words} ", **options)["input_ids"] if words else []
        self._combinations.append(combination)
        self._tokens.append(np.array(ids, dtype=np.int64))
        return code
