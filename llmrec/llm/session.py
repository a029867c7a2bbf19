"""A user's live session: the LLM's key-value cache is kept, an event costs only its own tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.data import Catalog
from llmrec.data.columns import ITEM
from llmrec.errors import DataError
from llmrec.llm.backbone import encoder
from llmrec.prompting.budget import newest_that_fit

if TYPE_CHECKING:
    import torch

    from llmrec.llm.reader import Reader

Floats = npt.NDArray[np.float32]
# User vector [dim], codes of the history, k: the table of the best.
Answer = Callable[[Floats, list[int], int], pl.DataFrame]
# What the model reads with now: both are others once it has taken in new items.
Source = Callable[[], tuple["Reader", Catalog]]


class UserSession:
    """One user's history, read as it grows. Make one with ``LLMRecommender.session``.

    ``recommend`` answers as ``LLMRecommender.recommend`` does for the same history. When the window is full,
    every further event drops an old one, which changes all positions: the window is then read anew. With
    ``forget`` above 0 that share of the window is dropped at once, so that it happens rarely; answers are
    then those for the shorter history.
    """

    def __init__(self, source: Source, answer: Answer, *, forget: float = 0.0) -> None:
        if not 0 <= forget < 1:
            raise DataError(f"forget is {forget}; it is the share of a full window to drop, from 0 to below 1")
        self._source, self._answer, self._forget = source, answer, forget
        self._codes: list[int] = []
        self._first = 0  # the oldest item that is read
        self._take(*source())
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
    def state(self) -> Floats:
        """The user vector, unit length, float32 [dim]."""
        return self._state

    def append(self, event: str | Mapping[str, object]) -> None:
        """Take in what the user did next: an item id, or an event with ``item_id``. Raises DataError."""
        item = event if isinstance(event, str) else event.get(ITEM)
        if not isinstance(item, str):
            raise DataError(f"an event of a session needs a text {ITEM}, got {item!r}")
        self._take(*self._source())
        self._codes.append(self._catalog.code(item))
        if self._fits():
            self._feed(np.array([self._codes[-1:]], dtype=np.int64), new=True)
        else:
            self._drop()
            self._read_anew()

    def extend(self, events: Sequence[str]) -> None:
        """Take in several items at once: one pass."""
        if not events:
            return
        self._take(*self._source())
        self._codes += [self._catalog.code(item) for item in events]
        if not self._fits():
            self._drop()
        self._read_anew()

    def recommend(self, k: int = 10) -> pl.DataFrame:
        """Rank what comes next. Returns ``item_id, rank, score``."""
        return self._answer(self._state, self._codes, k)

    def _take(self, reader: Reader, catalog: Catalog) -> None:
        """Read with the model's catalog of now, which may have grown; what was read stays as it is."""
        if getattr(self, "_reader", None) is not reader:
            self._reader, self._catalog = reader, catalog
            self._costs = reader.serializer.costs()
            self._vectors = reader.network.items().detach()

    def _fits(self) -> bool:
        read = self._codes[self._first :]
        room = self._reader.max_tokens - len(self._reader.serializer.prefix)
        return len(read) <= self._reader.max_items and int(self._costs[read].sum()) <= room

    def _drop(self) -> None:
        """Move the window's start to the newest items that fit what is left after forgetting."""
        share = 1 - self._forget
        room = int((self._reader.max_tokens - len(self._reader.serializer.prefix)) * share)
        recent = self._codes[-max(int(self._reader.max_items * share), 1) :]
        kept = newest_that_fit([int(cost) for cost in self._costs[recent]], room)
        self._first = len(self._codes) - kept

    def _read_anew(self) -> None:
        self._cache: Any = None
        self._feed(np.array([self._codes[self._first :]], dtype=np.int64), new=False)

    def _feed(self, inputs: npt.NDArray[np.int64], *, new: bool) -> None:
        """Read items [1, n]: behind what is cached if ``new``, else after the prefix."""
        import torch

        network, serializer = self._reader.network, self._reader.serializer
        written = serializer.write(inputs)
        start = len(serializer.prefix) if new else 0
        device = network.bias.device
        with torch.inference_mode():
            tokens = torch.from_numpy(written.tokens[:, start:]).to(device)
            slots = torch.from_numpy(written.slots[:, start:]).to(device)
            embedded = network.embedded(tokens, slots, self._vectors)
            out = encoder(network.model)(inputs_embeds=embedded, past_key_values=self._cache, use_cache=True)
            self._cache = out.past_key_values
            last: torch.Tensor = out.last_hidden_state[0, -1].float()
            self._state: Floats = network.users(last).cpu().numpy()
