"""A user's live session: the LLM's key-value cache is kept, an event costs only its own tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Histories, Sequences
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import readable_events
from llmrec.data.ids import id_of, whole_number
from llmrec.errors import DataError
from llmrec.llm.backbone import cache_bytes, cache_option
from llmrec.llm.read_positions import reading
from llmrec.models.ranker import STEADY
from llmrec.models.ranking import table_of
from llmrec.models.request import Request
from llmrec.prompting.budget import newest_that_fit
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.filters import Filter

if TYPE_CHECKING:
    import torch

    from llmrec.models.llm.state import LLMState

Event = str | Mapping[str, object]


class SessionModel(Protocol):
    """What a session reads of its model. The state is another one once items came, changed or went."""

    @property
    def state(self) -> LLMState:
        """The catalog, the encoder and the index."""

    @property
    def exclude_seen(self) -> bool:
        """Whether items of the history are recommended again."""

    def request(self, k: int, wanted: Filter | None, diversity: Diversity) -> Request:
        """What is asked of a list."""


class UserSession:
    """One user's history, read as it grows. Make one with ``LLMRecommender.session``.

    ``recommend`` answers as ``LLMRecommender.recommend`` does for the same history. When the window is full,
    every further event drops an old one, which changes all positions: the window is then read anew. With
    ``forget`` above 0 that share of the window is dropped at once, so that it happens rarely; answers are
    then those for the shorter history.
    """

    def __init__(self, model: SessionModel, *, forget: float = 0.0) -> None:
        self._model, self._forget = model, require_share(forget)
        self._codes: list[int] = []
        self._event_codes: list[int] = []
        self._sizes: list[int] = []  # positions that each event takes
        self._newest_costs: list[int] = []  # and those that it takes besides where it is one of the newest
        self._newest: dict[str, object] = {}
        self._first = 0  # the oldest item that is read
        self._follow_model()
        self._read_window()

    def __repr__(self) -> str:
        return f"UserSession({len(self._codes):,} events, of which it reads {len(self._codes) - self._first:,})"

    @property
    def history(self) -> list[str]:
        """Item ids so far, oldest first."""
        return [self._catalog.ids[code] for code in self._codes]

    @property
    def window(self) -> list[str]:
        """The item ids that the user vector is of: the newest that fit."""
        return self.history[self._first :]

    @property
    def state(self) -> Float32s:
        """The user vector, unit length, float32 [dim]."""
        return self._user

    @property
    def nbytes(self) -> int:
        """Bytes that the key-value cache takes, and the history."""
        return cache_bytes(self._cache) + 100 * len(self._codes)

    def append(self, event: Event) -> None:
        """Take in what the user did next: an item id, or an event with ``item_id``. Raises DataError.

        A model that reads events takes what else the event says: ``behavior``, ``rating``, ..., and
        ``timestamp`` for the pause before it.
        """
        self._take([event])
        fits = self._fits()
        if not fits:
            self._drop()
        if fits and not self._encoder.serializer.encoding.n_newest:
            self._feed(cached=True)
        else:  # what was read before is gone, or is written otherwise now that something follows
            self._read_window()

    def extend(self, events: Sequence[Event]) -> None:
        """Take in several events at once: one pass. Raises DataError as ``append`` does, and for text."""
        if not len(listed(events)):
            return
        self._take(events)
        if not self._fits():
            self._drop()
        self._read_window()

    def recommend(self, k: int = 10, *, filter: Filter | None = None, diversity: Diversity = 0.0) -> pl.DataFrame:
        """Rank what comes next. Returns ``item_id, rank, score``.

        ``filter``, ``diversity`` and what is refused: see ``Ranker.recommend``.
        """
        k = whole_number(k, label="k")
        with STEADY.shared():
            request, state = self._model.request(k, filter, diversity), self._model.state
        history = Sequences(np.array(self._codes, dtype=np.int32), np.array([0, len(self._codes)]))
        window = history.last(len(self._codes) - self._first)
        exclude_seen, rules = self._model.exclude_seen, request.rules

        def ranked(rows: Int64s, k: int) -> tuple[Int64s, Float32s]:
            user = self._user[None]
            return state.best(user, history, k, window=window, exclude_seen=exclude_seen, rules=rules)

        best, values = request.lists(ranked, 1, len(state.catalog), lambda: history)
        return table_of([""], state.catalog, best, values).drop(USER)

    def _follow_model(self) -> None:
        """Read by the model's state of now, whose items may have changed; what was read stays as it is."""
        state = self._model.state
        self._catalog = state.catalog
        if getattr(self, "_encoder", None) is not state.encoder:
            self._encoder = state.encoder
            self._vectors = state.encoder.network.items().detach()

    def _take(self, events: Sequence[Event]) -> None:
        self._follow_model()
        rows = rows_of(events)
        codes = [self._catalog.code(str(row[ITEM])) for row in rows]
        event_codes = self._event_codes_of(rows)
        sequences = Sequences(
            np.array(codes, dtype=np.int32),
            np.array([0, len(codes)]),
            None if event_codes is None else np.array(event_codes),
        )
        self._sizes += self._encoder.serializer.sizes(sequences).tolist()
        self._newest_costs += self._encoder.serializer.newest_costs(sequences).costs.tolist()
        self._codes += codes
        self._event_codes += event_codes or []

    def _event_codes_of(self, rows: list[dict[str, object]]) -> list[int] | None:
        """What new events say, None where that is not read; the gap of the first is that to the newest so far."""
        events = self._encoder.serializer.events
        if events is None:
            return None
        earlier = [self._newest] if self._newest else []
        codes = events.codes(history_of([*earlier, *rows]))
        self._newest = rows[-1]
        return [int(code) for code in codes[len(earlier) :]]

    def _fits(self) -> bool:
        sizes = self._sizes_of(len(self._codes) - self._first)
        room = self._encoder.max_tokens - len(self._encoder.serializer.prefix)
        return len(sizes) <= self._encoder.max_items and sum(sizes) <= room

    def _sizes_of(self, n: int) -> list[int]:
        """Return how many positions each of the newest ``n`` events takes now."""
        sizes, n_newest = self._sizes[-n:], self._encoder.serializer.encoding.n_newest
        first = max(len(sizes) - n_newest, 0)
        costs = self._newest_costs[-n:][first:]
        return sizes[:first] + [size + cost for size, cost in zip(sizes[first:], costs, strict=True)]

    def _drop(self) -> None:
        """Move the window's start to the newest items that fit what is left after forgetting."""
        share = 1 - self._forget
        room = int((self._encoder.max_tokens - len(self._encoder.serializer.prefix)) * share)
        n_newest = newest_that_fit(self._sizes_of(max(int(self._encoder.max_items * share), 1)), room)
        self._first = len(self._codes) - n_newest

    def _read_window(self) -> None:
        self._cache: Any = None
        self._feed(cached=False)

    def _feed(self, *, cached: bool) -> None:
        """Read the window, or the newest event alone where all before it is ``cached``."""
        import torch

        network, serializer = self._encoder.network, self._encoder.serializer
        window = slice(self._first, None)
        inputs = np.array([self._codes[window]], dtype=np.int64)
        event_codes = None
        if serializer.events is not None:
            event_codes = np.array([self._event_codes[window]], dtype=np.int64)
        written = serializer.write(inputs, event_codes)
        start = int(written.states[0, -2]) + 1 if cached else 0
        device = network.bias.device
        with torch.inference_mode():
            tokens = torch.from_numpy(written.tokens[:, start:]).to(device)
            placeholders = torch.from_numpy(written.placeholders[:, start:]).to(device)
            bins = None if written.bins is None else torch.from_numpy(written.bins[:, start:]).to(device)
            embedded = network.embedded(tokens, placeholders, self._vectors, bins)
            blocks = network.blocks
            last_only = torch.arange(embedded.shape[1], device=device)[None] == embedded.shape[1] - 1
            with reading(blocks, last_only):
                out = blocks(inputs_embeds=embedded, use_cache=True, **cache_option(blocks, self._cache))
            self._cache = getattr(out, "cache", None) or out.past_key_values
            last: torch.Tensor = out.last_hidden_state[0, -1].float()
            self._user: Float32s = network.users(last).cpu().numpy()


def history_of(rows: Sequence[Mapping[str, object]]) -> Histories:
    """Return a user's events as a history of the user "". Raises DataError for what cannot be read in them."""
    if not rows:
        return Histories.of({"": []})
    try:
        table = pl.DataFrame(rows, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise DataError(f"the events of a session are of no one form: {error}") from error
    return Histories(("",), readable_events(table), np.array([0, table.height]))


def rows_of(events: Sequence[Event]) -> list[dict[str, object]]:
    """Return each event with its item's id as text. Raises DataError for an event without one."""
    rows: list[dict[str, object]] = [
        dict(event) if isinstance(event, Mapping) else {ITEM: event} for event in events
    ]
    return [row | {ITEM: id_of(row.get(ITEM), label=f"an event's {ITEM}")} for row in rows]


def require_share(forget: float) -> float:
    """Return the share of a full window to drop. Raises DataError for what is none."""
    if not 0 <= forget < 1:
        raise DataError(f"forget is {forget}; it is the share of a full window to drop, from 0 to below 1")
    return forget


def listed(events: Sequence[Event]) -> Sequence[Event]:
    """Return events as they are. Raises DataError for text, whose characters would be read as items."""
    if isinstance(events, str | bytes):
        raise DataError(
            f"a session takes a list of item ids or events, not the text {events!r}; write [{events!r}], or "
            f"model.histories.of_user({events!r}).items(0) for a user of the training data"
        )
    return events
