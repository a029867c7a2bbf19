"""An encoding of your own: a title is written out at its first event in a history, later ones are its vector."""

from __future__ import annotations

import numpy as np

import llmrec
from llmrec.arrays import Int64s
from llmrec.llm.encodings import EventSpans, HistoryEncoding, register_encoding


@register_encoding
class TitleOnceEncoding(HistoryEncoding):
    """An item's text and vector at its first event in a history, at later ones its vector alone."""

    name = "title-once"
    meaning = "Every item is written out in words once, and afterwards handed over as one learned vector."
    writes_titles = True

    def costs(self, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """Count the positions that an event takes at most: the tokens of its item's line."""
        return item_lengths

    def sizes(self, inputs: Int64s, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """Count those that it takes: one, where the item stands earlier in the row."""
        earlier = np.tri(inputs.shape[1], k=-1, dtype=bool)
        again = ((inputs[:, :, None] == inputs[:, None, :]) & earlier).any(axis=-1)
        return np.where(again, 1, item_lengths)

    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """Write the item's vector at the end of each event, and its text before where there is room for it."""
        placeholders[spans.rows, spans.ends] = spans.items
        for n in np.flatnonzero(spans.ends > spans.starts):
            tokens[spans.rows[n], spans.starts[n] : spans.ends[n] + 1] = spans.item_tokens[n]


def main() -> None:
    """Train by it on MovieLens 100K; minutes on a GPU."""
    data = llmrec.Dataset.load("ml-100k")
    recipe = llmrec.Recipe.load("smollm2-135m-lora", set=["history.encoding=title-once"])
    llmrec.fit(recipe, data, llmrec.Split.leave_last_out(data), "runs/examples/title-once")


if __name__ == "__main__":
    main()
