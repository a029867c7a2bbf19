"""User vectors of an LLM: remembered by history, advanced by live sessions, the rest read in one batch."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Histories, Sequences
from llmrec.data.columns import ITEM
from llmrec.models import LLMRecommender, Ranker, Recommender, StackedRecommender
from llmrec.models.llm.embedded import EmbeddedHistories
from llmrec.models.llm.session import UserSession
from llmrec.models.stacking.embedded import EmbeddedStack, embedded_members, llm_at
from llmrec.serve.metrics import ServiceMetrics

V = TypeVar("V")

OVERHEAD = 200  # bytes of an entry besides its value, about
# More new events than this are read in one pass instead of one by one.
MOST_APPENDED = 3
VECTOR_SHARE = 8  # vectors have a share of so much of the memory, sessions the rest


class BoundedCache(Generic[V]):
    """Values by key, at most ``most`` bytes of them: the ones that were used the longest ago go first."""

    def __init__(self, most: int) -> None:
        self._most, self.nbytes = most, 0
        self._values: OrderedDict[object, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: object) -> V | None:
        """Return a value, which is then the newest; None where it is not here."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: object, value: V, nbytes: int) -> None:
        """Take a value of so many bytes, in the place of another of this key."""
        self.drop(key)
        size = nbytes + OVERHEAD
        self._values[key] = value, size
        self.nbytes += size
        while self.nbytes > self._most:
            _, (_, oldest) = self._values.popitem(last=False)
            self.nbytes -= oldest

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self.nbytes = 0

    def drop(self, key: object) -> None:
        """Forget a value, if it is here."""
        self.nbytes -= self._values.pop(key, (None, 0))[1]


class UserVectors:
    """The user vectors of an LLM, within ``most_bytes``; a live user's events cost their own tokens only.

    The LLM is ``model``, or the member of that number in a stack. ``metrics`` counts where vectors came from:
    memory, session (advanced by new events), model (read whole).
    """

    def __init__(self, model: Recommender, member: int | None, most_bytes: int, metrics: ServiceMetrics) -> None:
        self._whole, self._member, self._sources = model, member, metrics.user_vectors
        self._model = self._llm()
        self._vectors: BoundedCache[Float32s] = BoundedCache(most_bytes // VECTOR_SHARE)
        self._sessions: BoundedCache[UserSession] = BoundedCache(most_bytes - most_bytes // VECTOR_SHARE)

    @classmethod
    def of_run(cls, model: Recommender, most_bytes: int, metrics: ServiceMetrics) -> UserVectors | None:
        """Remember those of an LLM that ranks by relevance, or of the first in a stack; None: there is none."""
        if isinstance(model, StackedRecommender):
            members = embedded_members(model)
            return cls(model, members[0], most_bytes, metrics) if members else None
        if isinstance(model, LLMRecommender) and model.recipe.responses.rank_by == "relevance":
            return cls(model, None, most_bytes, metrics)
        return None

    @property
    def in_stack(self) -> bool:
        """Whether lists are made by more than these vectors."""
        return self._member is not None

    def ranker(self, histories: Histories, live: Sequence[str | None]) -> Ranker:
        """Return what ranks these histories as the model does, by their vectors; ``live``: see ``of``."""
        vectors = self.of(histories, live)
        if isinstance(self._whole, StackedRecommender) and self._member is not None:
            return EmbeddedStack(self._whole, {self._member: vectors})
        return EmbeddedHistories(self._model, vectors)

    @property
    def nbytes(self) -> int:
        """Bytes of all that is remembered."""
        return self._vectors.nbytes + self._sessions.nbytes

    @property
    def n_sessions(self) -> int:
        """How many live sessions are remembered."""
        return len(self._sessions)

    def clear(self) -> None:
        """Forget all vectors and sessions."""
        self._vectors.clear()
        self._sessions.clear()

    def of(self, histories: Histories, live: Sequence[str | None]) -> dict[str, Float32s]:
        """Return the vector of each history by its user id; ``live`` names those whose events come in."""
        if (model := self._llm()) is not self._model:  # items of a stack changed
            self.clear()
            self._model = model
        sequences = model.sequences_of(histories)
        keys = [_key(sequences, row) for row in range(len(sequences))]
        vectors: dict[bytes, Float32s] = {}
        sources = []
        for row, key in enumerate(keys):
            vector, source = self._vectors.get(key), "memory"
            user = live[row]
            if vector is None and user is not None:
                vector, source = self._advanced(user, histories[row : row + 1])
            if vector is not None:
                vectors[key] = vector
                sources.append(source)
        missing = [row for key, row in {key: row for row, key in enumerate(keys)}.items() if key not in vectors]
        if missing:
            read = self._model.embed_users(histories.take(missing))
            vectors |= {keys[row]: vector.copy() for row, vector in zip(missing, read, strict=True)}
        sources += ["model"] * (len(keys) - len(sources))
        for source in sources:
            self._sources.labels(source).inc()
        for key, vector in vectors.items():
            self._vectors.put(key, vector, vector.nbytes)
        return {user: vectors[key] for user, key in zip(histories.user_ids, keys, strict=True)}

    def _llm(self) -> LLMRecommender:
        """Return the LLM of now: in a stack a change of items makes another one."""
        one = self._whole
        if isinstance(one, StackedRecommender) and self._member is not None:
            return llm_at(one, self._member)
        assert isinstance(one, LLMRecommender)
        return one

    def _advanced(self, user: str, history: Histories) -> tuple[Float32s, str]:
        """Return a live user's vector by a session, and where it came from."""
        session, ids, source = self._sessions.get(user), history.items(0), "session"
        known = [] if session is None else session.history
        if session is None or ids[: len(known)] != known:
            session, known, source = self._model.session(), [], "model"
        new = history.events[len(known) :]
        events = new.to_dicts() if self._model.recipe.history.events else new[ITEM].to_list()
        if known and len(events) <= MOST_APPENDED:
            for event in events:
                session.append(event)
        else:
            session.extend(events)
        self._sessions.put(user, session, session.nbytes)
        return session.state, source


def _key(sequences: Sequences, row: int) -> bytes:
    """Return what tells a history from others, as the model reads it."""
    digest = hashlib.blake2b(np.ascontiguousarray(sequences[row]).tobytes(), digest_size=16)
    if sequences.event_codes is not None:
        part = slice(int(sequences.offsets[row]), int(sequences.offsets[row + 1]))
        digest.update(np.ascontiguousarray(sequences.event_codes[part]).tobytes())
    return digest.digest()
