"""A user's live session with a stack: its LLM keeps what it has read, the other members read the history."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from llmrec.data.columns import ITEM, USER
from llmrec.data.ids import whole_number
from llmrec.models.arguments import with_positives
from llmrec.models.llm.session import Event, UserSession, history_of, listed, require_share, rows_of
from llmrec.models.stacking.embedded import EmbeddedStack, embedded_members, llm_at
from llmrec.models.stacking.stack import Stack
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.filters import Filter


class StackSession:
    """One user's history, read as it grows. Make one with ``StackedRecommender.session``.

    ``recommend`` answers as ``StackedRecommender.recommend`` does for the same history. An event costs an LLM
    among the members its own tokens; rules and other networks, which take a small part of its time, read the
    whole history. ``forget``, of its LLM: see ``UserSession``. Once the stack's items changed, its LLM reads the
    history anew.
    """

    def __init__(self, model: Stack, *, forget: float = 0.0) -> None:
        self._model, self._forget = model, require_share(forget)
        self._rows: list[dict[str, object]] = []
        self._open()

    def __repr__(self) -> str:
        return f"StackSession({len(self._rows):,} events)"

    @property
    def history(self) -> list[str]:
        """Item ids so far, oldest first."""
        return [str(row[ITEM]) for row in self._rows]

    @property
    def nbytes(self) -> int:
        """Bytes that key-value caches take, and the history."""
        return sum(one.nbytes for one in self._sessions.values()) + 100 * len(self._rows)

    def append(self, event: Event) -> None:
        """Take in what the user did next: an item id, or an event with ``item_id``. Raises DataError."""
        self._take([event])

    def extend(self, events: Sequence[Event]) -> None:
        """Take in several events at once: one pass. Raises DataError as ``append`` does, and for text."""
        if len(events := listed(events)):
            self._take(events)

    def recommend(self, k: int = 10, *, filter: Filter | None = None, diversity: Diversity = 0.0) -> pl.DataFrame:
        """Rank what comes next. Returns ``item_id, rank, score``.

        ``filter``, ``diversity`` and what is refused: see ``Ranker.recommend``.
        """
        k = whole_number(k, label="k")
        self._follow_model()
        vectors = {n: {"": session.state} for n, session in self._sessions.items()}
        ranker = EmbeddedStack(self._model, vectors)
        history = with_positives(history_of(self._rows), self._model.metadata.get("positive", {}))
        return ranker.recommend(history, k, filter=filter, diversity=diversity).drop(USER)

    def _take(self, events: Sequence[Event]) -> None:
        self._follow_model()
        rows = rows_of(events)
        for row in rows:
            self._catalog.code(str(row[ITEM]))
        history_of([*self._rows, *rows])  # what cannot be read is refused before anything is taken in
        try:
            for session in self._sessions.values():
                if len(events) == 1:
                    session.append(events[0])
                else:
                    session.extend(events)
        except Exception:
            self._open()  # one of several may have taken it in
            raise
        self._rows += rows

    def _follow_model(self) -> None:
        if self._members is not self._model.members:  # a change of items makes other members
            self._open()

    def _open(self) -> None:
        """Let every LLM read the history so far."""
        model = self._model
        self._catalog, self._members = model.catalog, model.members
        self._sessions: dict[int, UserSession] = {
            n: llm_at(model, n).session(self._rows, forget=self._forget) for n in embedded_members(model)
        }
