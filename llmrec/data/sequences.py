"""Histories as the arrays that models read: item codes, flat, with offsets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llmrec.arrays import Bools, Int32s, Int64s
from llmrec.data.catalog import Catalog
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM, POSITIVE
from llmrec.data.histories import Histories, n_strictly_earlier, offsets_of, ranges, visible_among


@dataclass(frozen=True, eq=False)
class Sequences:
    """Item codes of n users: those of user n are ``codes[offsets[n]:offsets[n + 1]]``, oldest first.

    >>> from llmrec.data import Histories, toy_films
    >>> sequences = Sequences.encode(Histories.of({"ann": ["3", "7"], "ben": ["0"]}), toy_films().catalog)
    >>> sequences.codes.tolist(), sequences.offsets.tolist()
    ([3, 7, 0], [0, 2, 3])
    """

    codes: Int32s
    offsets: Int64s
    event_codes: Int32s | None = None  # the event's other fields as one code, for models that read them
    # How many of the user's events each target sees, [n_codes, n_contexts]; -1: it is no target of this context.
    # None: one context, all events before it.
    n_visible: Int64s | None = None
    # Which events are positive targets, [n_codes]. None: all.
    positive: Bools | None = None

    @classmethod
    def encode(cls, histories: Histories, catalog: Catalog, *, event_codes: Int32s | None = None) -> Sequences:
        """Look every item up. Items that are not in the catalog are left out: no model can know them.

        ``event_codes``: int32 [n_events], kept with the events.
        """
        codes = catalog.codes(histories.events[ITEM])
        known = codes >= 0
        offsets = offsets_of(known)[histories.offsets]
        positive = (
            positives_of(histories.events).to_numpy()[known] if POSITIVE in histories.events.columns else None
        )
        event_codes = None if event_codes is None else event_codes[known]
        return cls(codes[known], offsets, event_codes, positive=positive)

    @classmethod
    def strictly_before(
        cls, encoded: Sequences, histories: Histories, catalog: Catalog, *, both: bool = False
    ) -> Sequences:
        """Let each target of the encoded histories see strictly earlier events only, none of its own basket.

        ``both``: a second context sees the basket's earlier events, too; -1 where the basket has none.
        """
        known = catalog.codes(histories.events[ITEM]) >= 0
        contexts = [visible_among(n_strictly_earlier(histories), histories.offsets, known)]
        if both:
            all_earlier = np.arange(len(encoded.codes)) - np.repeat(encoded.offsets[:-1], encoded.lengths())
            contexts.append(np.where(all_earlier > contexts[0], all_earlier, -1))
        return replace(encoded, n_visible=np.stack(contexts, axis=1))

    def with_masked_labels(self) -> Sequences:
        """Make no other events targets than positive ones: the others are read, but predicted from no context."""
        if self.positive is None:
            return self
        n_visible = self.n_visible
        if n_visible is None:
            n_visible = (np.arange(len(self.codes)) - np.repeat(self.offsets[:-1], self.lengths()))[:, None]
        return replace(self, n_visible=np.where(self.positive[:, None], n_visible, -1))

    def positives(self) -> Sequences:
        """Leave out the events that are no positive targets, as if they were not in the log."""
        if self.positive is None:
            return self
        event_codes = None if self.event_codes is None else self.event_codes[self.positive]
        return Sequences(self.codes[self.positive], offsets_of(self.positive)[self.offsets], event_codes)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, n: int) -> Int32s:
        return self.codes[self.offsets[n] : self.offsets[n + 1]]

    def lengths(self) -> Int64s:
        """Number of known items of each user, int64 [n]."""
        return np.diff(self.offsets)

    def take(self, rows: Int64s) -> Sequences:
        """Return the sequences of some users, for models to score."""
        return self._parts(self.offsets[rows], self.lengths()[rows])

    def last(self, most: int) -> Sequences:
        """Keep only each user's newest ``most`` items."""
        return self.newest(np.minimum(self.lengths(), most))

    def newest(self, lengths: Int64s) -> Sequences:
        """Keep only each user's newest ``lengths[n]`` items."""
        return self._parts(self.offsets[1:] - lengths, lengths)

    def _parts(self, starts: Int64s, lengths: Int64s) -> Sequences:
        """Return a sequence for each range of codes."""
        rows = ranges(starts, lengths)
        event_codes = None if self.event_codes is None else self.event_codes[rows]
        positive = None if self.positive is None else self.positive[rows]
        return Sequences(self.codes[rows], offsets_of(lengths), event_codes, positive=positive)

    def users(self) -> Int64s:
        """Return the user of every code, by position, int64 [n_codes]."""
        return np.repeat(np.arange(len(self)), self.lengths())
