"""A user's live session: the LLM's key-value cache is kept, an event costs only its own tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Int32s
from llmrec.data import Catalog, Histories, Sequences
from llmrec.data.columns import ITEM
from llmrec.errors import DataError
from llmrec.llm.backbone import cache_option, encoder
from llmrec.prompting.budget import newest_that_fit

if TYPE_CHECKING:
    import torch

    from llmrec.models.llm.history_encoder import HistoryEncoder

# User vector [dim], codes of the history, how many of the newest were read, k: the table of the best.
Answer = Callable[[Float32s, list[int], int, int], pl.DataFrame]
# What the model reads with now: both are others once it has taken in new items.
Source = Callable[[], tuple["HistoryEncoder", Catalog]]
# What events say besides their items, as codes of the serializer's event runs.
EventCoder = Callable[[Histories], Int32s]
Event = str | Mapping[str, object]


class UserSession:
    """One user's history, read as it grows. Make one with ``LLMRecommender.session``.

    ``recommend`` answers as ``LLMRecommender.recommend`` does for the same history. When the window is full,
    every further event drops an old one, which changes all positions: the window is then read anew. With
    ``forget`` above 0 that share of the window is dropped at once, so that it happens rarely; answers are
    then those for the shorter history.
    """

    def __init__(
        self, source: Source, answer: Answer, *, forget: float = 0.0, event_codes: EventCoder | None = None
    ) -> None:
        if not 0 <= forget < 1:
            raise DataError(f"forget is {forget}; it is the share of a full window to drop, from 0 to below 1")
        self._source, self._answer, self._forget, self._token_runs_of = source, answer, forget, event_codes
        self._codes: list[int] = []
        self._event_codes: list[int] = []
        self._sizes: list[int] = []  # positions that each event takes
        self._newest: dict[str, object] = {}
        self._first = 0  # the oldest item that is read
        self._renew(*source())
        self._read_anew()

    @property
    def history(self) -> list[str]:
        """Item ids so far, oldest first."""
        return [self._catalog.ids[code] for code in self._codes]

    @property
    def window(self) -> list[str]:
        """The item ids that the state is of: the newest that fit."""
        return self.history[self._first :]

    @property
    def state(self) -> Float32s:
        """The user vector, unit length, float32 [dim]."""
        return self._state

    def append(self, event: Event) -> None:
        """Take in what the user did next: an item id, or an event with ``item_id``. Raises DataError.

        A model that reads events takes what else the event says: ``behavior``, ``rating``, ..., and
        ``timestamp`` for the pause before it.
        """
        self._take([event])
        if self._fits():
            self._feed(slice(-1, None), new=True)
        else:
            self._drop()
            self._read_anew()

    def extend(self, events: Sequence[Event]) -> None:
        """Take in several events at once: one pass."""
        if not events:
            return
        self._take(events)
        if not self._fits():
            self._drop()
        self._read_anew()

    def recommend(self, k: int = 10) -> pl.DataFrame:
        """Rank what comes next. Returns ``item_id, rank, score``."""
        return self._answer(self._state, self._codes, len(self._codes) - self._first, k)

    def _renew(self, encoder: HistoryEncoder, catalog: Catalog) -> None:
        """Read with the model's catalog of now, which may have grown; what was read stays as it is."""
        if getattr(self, "_reader", None) is not encoder:
            self._encoder, self._catalog = encoder, catalog
            self._vectors = encoder.network.items().detach()

    def _take(self, events: Sequence[Event]) -> None:
        self._renew(*self._source())
        rows: list[dict[str, object]] = [
            {ITEM: event} if isinstance(event, str) else dict(event) for event in events
        ]
        for row in rows:
            if not isinstance(row.get(ITEM), str):
                raise DataError(f"an event of a session needs a text {ITEM}, got {row.get(ITEM)!r}")
        codes = [self._catalog.code(str(row[ITEM])) for row in rows]
        event_codes = self._said(rows)
        sequences = Sequences(
            np.array(codes, dtype=np.int32),
            np.array([0, len(codes)]),
            None if event_codes is None else np.array(event_codes),
        )
        self._sizes += self._encoder.serializer.sizes(sequences).tolist()
        self._codes += codes
        self._event_codes += event_codes or []

    def _said(self, rows: list[dict[str, object]]) -> list[int] | None:
        """The runs of new events; the newest one before them stands first, for the pause after it."""
        if self._token_runs_of is None:
            return None
        before = [self._newest] if self._newest else []
        table = pl.DataFrame([*before, *rows], infer_schema_length=None)
        self._newest = rows[-1]
        event_codes = self._token_runs_of(Histories(("",), table, np.array([0, table.height])))
        return [int(run) for run in event_codes[len(before) :]]

    def _fits(self) -> bool:
        read = self._sizes[self._first :]
        room = self._encoder.max_tokens - len(self._encoder.serializer.prefix)
        return len(read) <= self._encoder.max_items and sum(read) <= room

    def _drop(self) -> None:
        """Move the window's start to the newest items that fit what is left after forgetting."""
        share = 1 - self._forget
        room = int((self._encoder.max_tokens - len(self._encoder.serializer.prefix)) * share)
        kept = newest_that_fit(self._sizes[-max(int(self._encoder.max_items * share), 1) :], room)
        self._first = len(self._codes) - kept

    def _read_anew(self) -> None:
        self._cache: Any = None
        self._feed(slice(self._first, None), new=False)

    def _feed(self, part: slice, *, new: bool) -> None:
        """Read a part of the events: behind what is cached if ``new``, else after the prefix."""
        import torch

        network, serializer = self._encoder.network, self._encoder.serializer
        inputs = np.array([self._codes[part]], dtype=np.int64)
        event_codes = (
            np.array([self._event_codes[part]], dtype=np.int64) if self._token_runs_of is not None else None
        )
        written = serializer.write(inputs, event_codes)
        start = len(serializer.prefix) if new else 0
        device = network.bias.device
        with torch.inference_mode():
            tokens = torch.from_numpy(written.tokens[:, start:]).to(device)
            placeholders = torch.from_numpy(written.placeholders[:, start:]).to(device)
            levels = None if written.levels is None else torch.from_numpy(written.levels[:, start:]).to(device)
            embedded = network.embedded(tokens, placeholders, self._vectors, levels)
            blocks = encoder(network.model)
            out = blocks(inputs_embeds=embedded, use_cache=True, **cache_option(blocks, self._cache))
            self._cache = getattr(out, "cache", None) or out.past_key_values
            last: torch.Tensor = out.last_hidden_state[0, -1].float()
            self._state: Float32s = network.users(last).cpu().numpy()
