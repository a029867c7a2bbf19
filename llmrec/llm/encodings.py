"""How an item stands in a history for the LLM: one class for each encoding, registered by its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, TypeVar

import numpy as np

from llmrec.arrays import Bools, Int64s
from llmrec.config import BoundaryStates, HistoryConfig
from llmrec.data.histories import ranges
from llmrec.errors import RecipeError
from llmrec.llm.ragged import RaggedTokens


@dataclass(frozen=True, eq=False)
class EventSpans:
    """Where the events of a batch are written: event n at positions ``starts[n]`` to ``ends[n]`` of ``rows[n]``.

    ``items`` are the events' item codes, ``event_codes`` say what else is written of them. The user's state after
    an event is read at its end.
    """

    rows: Int64s
    starts: Int64s
    ends: Int64s
    items: Int64s
    event_codes: Int64s
    catalog: RaggedTokens  # every item's text
    combinations: RaggedTokens  # every combination of event fields, by the event's code

    def where(self, chosen: Bools) -> EventSpans:
        """Return those events that ``chosen`` [n_events] has."""
        rows, starts, ends = self.rows[chosen], self.starts[chosen], self.ends[chosen]
        return replace(
            self,
            rows=rows,
            starts=starts,
            ends=ends,
            items=self.items[chosen],
            event_codes=self.event_codes[chosen],
        )

    @cached_property
    def item_tokens(self) -> RaggedTokens:
        """The text of each event's item."""
        return self.catalog.take(self.items)

    @cached_property
    def field_tokens(self) -> RaggedTokens:
        """What each event says besides its item; no tokens where that is not read."""
        return self.combinations.take(self.event_codes)

    def write(self, texts: RaggedTokens, starts: Int64s, tokens: Int64s) -> None:
        """Write one text an event into ``tokens`` [n, length], from position ``starts[n]`` on."""
        lengths = texts.lengths
        tokens[np.repeat(self.rows, lengths), ranges(starts, lengths)] = texts.tokens


class HistoryEncoding(ABC):
    """How the events of a history are written as tokens and item vectors.

    What is written of an event may depend on earlier events of its row, and on how many follow, never on which:
    every position is trained in one pass. A subclass has ``name``, ``meaning`` (a sentence for reports),
    ``writes_titles``, ``costs`` and ``write``; add ``@register_encoding``.
    """

    name: ClassVar[str]
    meaning: ClassVar[str]
    writes_titles: ClassVar[bool]  # False: no title can be learned or generated
    embeds_fields: ClassVar[bool] = False  # event fields are added to the item's vector instead of written
    n_newest: int = 0  # so many events at a window's end take more positions than their costs, see newest_costs

    @abstractmethod
    def costs(self, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """Return how many positions events take at most.

        ``item_lengths`` and ``field_lengths``, of one shape, count the tokens of their items' texts and of their
        other fields.
        """

    def newest_costs(self, item_lengths: Int64s) -> Int64s:
        """Return how many positions more than their costs the ``n_newest`` newest events of a window take."""
        return np.zeros_like(item_lengths)

    def sizes(self, inputs: Int64s, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """Return how many positions events take in rows of item codes [n, items], -1 at padding: their costs."""
        return self.costs(item_lengths, field_lengths)

    @abstractmethod
    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """Fill in token ids, and item codes where vectors are read, both [n, length] and negative so far."""


ENCODINGS: dict[str, HistoryEncoding] = {}
EncodingClass = TypeVar("EncodingClass", bound=type[HistoryEncoding])


def register_encoding(encoding: EncodingClass) -> EncodingClass:
    """Let recipes name an encoding. Raises RecipeError where another class has its name already."""
    other = type(ENCODINGS.get(encoding.name, encoding()))
    if (other.__module__, other.__qualname__) != (encoding.__module__, encoding.__qualname__):
        raise RecipeError(
            f"the encoding '{encoding.name}' is {other.__module__}.{other.__qualname__} already; rename one"
        )
    ENCODINGS[encoding.name] = encoding()
    return encoding


def encoding_named(name: str) -> HistoryEncoding:
    """Return a registered encoding. Raises RecipeError for another name."""
    if name not in ENCODINGS:
        raise RecipeError(f"history.encoding: no encoding '{name}'; there are {', '.join(ENCODINGS)}")
    return ENCODINGS[name]


def title_encodings() -> str:
    """Name the encodings that write titles, for messages: ``text or hybrid``."""
    return " or ".join(name for name, encoding in ENCODINGS.items() if encoding.writes_titles)


@register_encoding
class TextEncoding(HistoryEncoding):
    """An event's fields and its item's text, ended by the newline token."""

    name = "text"
    meaning = "Every item is written out in words; the model reads the titles as a person would."
    writes_titles = True

    def costs(self, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """See ``HistoryEncoding.costs``."""
        return item_lengths + field_lengths

    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """See ``HistoryEncoding.write``."""
        spans.write(spans.field_tokens, spans.starts, tokens)
        spans.write(spans.item_tokens, spans.ends + 1 - spans.item_tokens.lengths, tokens)


@register_encoding
class SoftEncoding(HistoryEncoding):
    """One vector an item, changed by its event's fields."""

    name = "soft"
    meaning = (
        "Every item is handed over as one learned vector in place of its words, which makes the prompt many times "
        "shorter; the text below names the item that each vector stands for."
    )
    writes_titles = False
    embeds_fields = True

    def costs(self, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """See ``HistoryEncoding.costs``."""
        return np.ones_like(item_lengths)

    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """See ``HistoryEncoding.write``."""
        placeholders[spans.rows, spans.ends] = spans.items


@register_encoding
class HybridEncoding(TextEncoding):
    """The text, whose newline is not read, but the item's vector in its place.

    As a target the newline stays, so that a generated title ends.
    """

    name = "hybrid"
    meaning = "Every item is written out in words and followed by one learned vector of its own."

    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """See ``HistoryEncoding.write``."""
        super().write(spans, tokens, placeholders)
        placeholders[spans.rows, spans.ends] = spans.items


class NewestTextEncoding(HybridEncoding):
    """The vectors of all events; before those of the ``n_newest`` newest of a window, their items' texts."""

    meaning = (
        "Every item is handed over as one learned vector; the newest ones are also written out in words, before "
        "their vectors."
    )
    writes_titles = False  # a title would follow vectors, not titles
    embeds_fields = True

    def __init__(self, n_newest: int) -> None:
        self.n_newest = n_newest

    def costs(self, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """See ``HistoryEncoding.costs``."""
        return np.ones_like(item_lengths)

    def newest_costs(self, item_lengths: Int64s) -> Int64s:
        """See ``HistoryEncoding.newest_costs``."""
        return np.asarray(item_lengths - 1, dtype=np.int64)

    def sizes(self, inputs: Int64s, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """See ``HistoryEncoding.sizes``."""
        n_later = (inputs >= 0).sum(axis=1)[:, None] - 1 - np.arange(inputs.shape[1])
        return np.where(n_later < self.n_newest, item_lengths, 1)

    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """See ``HistoryEncoding.write``."""
        worded = spans.where(spans.ends > spans.starts)
        worded.write(worded.item_tokens, worded.starts, tokens)
        placeholders[spans.rows, spans.ends] = spans.items


class LocalTextEncoding(HistoryEncoding):
    """Lines that the lower blocks read one by one: of each its boundary ``states`` stand in the history.

    These are the state of the line's last token, the mean over its words, or both, the mean before the last.
    """

    name = "text"
    meaning = (
        "Every item is written out in words, which the lower blocks of the model read for each item by itself; "
        "the upper blocks read what came of each."
    )
    writes_titles = False
    embeds_fields = True  # in the line they would make one of each event, not of each item
    ends_in_vector = False  # True: the line's last state is that of the item's vector instead of its newline's

    def __init__(self, states: BoundaryStates) -> None:
        self.states, self.n_states = states, 2 if states == "both" else 1

    def costs(self, item_lengths: Int64s, field_lengths: Int64s) -> Int64s:
        """See ``HistoryEncoding.costs``."""
        return np.full_like(item_lengths, self.n_states)

    def write(self, spans: EventSpans, tokens: Int64s, placeholders: Int64s) -> None:
        """See ``HistoryEncoding.write``."""
        for n in range(self.n_states):
            placeholders[spans.rows, spans.starts + n] = spans.items


class LocalHybridEncoding(LocalTextEncoding):
    """The same, each line ended by its item's vector."""

    name = "hybrid"
    meaning = (
        "Every item is written out in words and ended by a learned vector of its own, which the lower blocks of "
        "the model read for each item by itself; the upper blocks read what came of each."
    )
    ends_in_vector = True


BY_LINE = {"text": LocalTextEncoding, "hybrid": LocalHybridEncoding}  # whose lines say nothing of others


def encoding_of(history: HistoryConfig) -> HistoryEncoding:
    """Return the encoding that a recipe says. Raises RecipeError for none of that name, or none by line."""
    encoding = encoding_named(history.encoding)
    if history.text_items is not None:
        return _newest_text(history)
    if not history.local_blocks:
        return encoding
    if encoding.name not in BY_LINE:
        raise RecipeError(
            f"history.local_blocks={history.local_blocks}: the encoding '{encoding.name}' writes no lines that "
            f"blocks could read one by one; choose {' or '.join(BY_LINE)}, or set history.local_blocks=0"
        )
    return BY_LINE[encoding.name](history.boundary_states)


def _newest_text(history: HistoryConfig) -> NewestTextEncoding:
    """Return the encoding of histories whose newest items alone are written in words. Raises RecipeError."""
    assert history.text_items is not None
    if history.encoding != HybridEncoding.name:
        raise RecipeError(
            f"history.text_items={history.text_items}: in the encoding '{history.encoding}' all items are alike; "
            "set history.encoding=hybrid, or history.text_items=null"
        )
    if history.local_blocks:
        raise RecipeError(
            f"history.text_items={history.text_items} and history.local_blocks={history.local_blocks} do not go "
            "together; set history.text_items=null or history.local_blocks=0"
        )
    return NewestTextEncoding(history.text_items)
