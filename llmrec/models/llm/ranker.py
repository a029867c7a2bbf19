"""Score, rank and embed with the state of a fitted LLM recommender, however it came to be."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.data import Histories, Sequences
from llmrec.data.catalog_changes import CatalogChange
from llmrec.errors import DataError
from llmrec.models.arguments import HistoriesLike
from llmrec.models.llm.item_changes import with_change
from llmrec.models.llm.shared_beginnings import user_vectors
from llmrec.models.llm.state import LLMState
from llmrec.models.llm.unread import UnreadState
from llmrec.models.ranking import finite
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.retrieval.filters import EVERY_ITEM, ItemRules

if TYPE_CHECKING:
    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.training.response_heads import ResponseHeads

_READING = threading.RLock()


class LLMRanker(RespondingRecommender):
    """``s(u, i) = tau * cos(W u, v_i) + b_i`` for every catalog item after every history.

    A new item (``add_items``) is scored by its text, with the bias that ``head.cold_bias`` says.
    """

    scores_are_logits = True
    _state: LLMState | None = None
    # Of a loaded run that has not been needed yet.
    _unread: UnreadState | None = None

    @property
    def state(self) -> LLMState:
        """What was fitted; of a loaded run it is read, with the base model, when it is first needed.

        Raises DataError before ``fit`` or ``load``, ArtifactError where the run cannot be read.
        """
        if self._state is None:
            with _READING:  # by one thread, for all
                if self._state is None and self._unread is not None:
                    self._hold(self._unread.read())
        if self._state is None:
            raise DataError(f"this {self.kind} model has not been fitted; call fit or llmrec.load first")
        return self._state

    @property
    def encoder(self) -> HistoryEncoder:
        """What turns histories into user vectors."""
        return self.state.encoder

    @property
    def dtype(self) -> str | None:
        """What the base model computes in; the head is always float32."""
        return str(self.encoder.network.model.dtype).removeprefix("torch.") if self.is_fitted else None

    def prepare(self) -> Self:
        """Read the base model of a loaded run, and return self. Raises as ``state`` does."""
        _ = self.state
        return self

    def for_scores(self) -> Self:
        """See ``Ranker.for_scores``. It can then be neither saved nor changed."""
        if self._unread is not None:
            self._unread = replace(self._unread, only_scores=True)
        return self

    def embed_users(self, histories: HistoriesLike) -> Float32s:
        """Return each history's user vector, unit length, float32 [n, dim]."""
        return self.encoder.users(self.encoder.windows(self._sequences_like(histories)))

    def item_vectors(self) -> Float32s:
        """Return each item's vector, unit length, float32 [n_items, dim], in the space of the users."""
        unread = self._unread
        if self._state is None and unread is not None and not unread.texts_changed:
            return unread.vectors
        return self.state.items.vectors

    def _index_rows(self) -> tuple[Float32s, Float32s]:
        items = self.state.items
        return items.temperature * items.vectors, items.biases

    def prompt_example(self, histories: Histories) -> dict[str, Any]:
        """Show how the first of ``histories`` is written for the model.

        Returns ``text`` (an item's vector stands as ``[title]``), its ``tokens`` (those that vectors stand for
        included), ``upper_tokens`` (of these, what the blocks above local ones read; None: all), ``encoding`` and
        its ``meaning``. Raises DataError without a history.
        """
        if not len(histories):
            raise DataError("there is no history to show")
        encoder = self.encoder
        serialized = encoder.serialized(self.sequences_of(histories[:1]), 0)
        shown = encoder.shown(serialized)
        return {
            "text": encoder.as_text(shown, self.catalog.titles),
            "tokens": shown.n_tokens,
            "upper_tokens": None if shown is serialized else serialized.n_tokens,
            "encoding": self.recipe.history.encoding,
            "meaning": encoder.serializer.encoding.meaning,
        }

    def _hold(self, state: LLMState) -> None:
        """Take a state over."""
        self._state, self._unread = state, None
        self.catalog, self.fields = state.catalog, state.fields

    def _require_whole(self, use: str) -> None:
        """Raise DataError where the base model was read for scores alone."""
        from llmrec.llm.plain_llama import PlainLlama

        if isinstance(self.encoder.network.model, PlainLlama):
            raise DataError(
                f"{self.recipe.name} was read for scores alone and {use}; load it without for_scores()"
            )

    def check_change(self, change: CatalogChange) -> None:
        """Refuse none of a whole model: what is not known of an item is read from its text."""
        if self._state is not None:
            self._require_whole("its items cannot change")

    def _take_change(self, change: CatalogChange) -> None:
        """Encode new and changed texts; of a run that is not read yet, when it is."""
        if self._state is not None:
            self._state = with_change(self._state, change, self.recipe)
            self.fields = self._state.fields
        elif self._unread is not None:
            self._unread = self._unread.with_change(change)

    def _score(self, sequences: Sequences) -> Float32s:
        windows = self.encoder.windows(sequences)
        return self.state.scores(self.encoder.users(windows), windows.sequences)

    def score_variants(self, histories: Histories) -> Float32s:
        """See ``Ranker.score_variants``."""
        if self.recipe.responses.rank_by != "relevance" or not len(histories):
            return self.score(histories)
        windows = self.encoder.windows(self.sequences_of(histories))
        return finite(self.state.scores(user_vectors(self.encoder, windows), windows.sequences))

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        if self.recipe.responses.rank_by != "relevance":
            return super()._ranked(histories, k, exclude_seen=exclude_seen, rules=rules)
        sequences = self.sequences_of(histories)
        windows = self.encoder.windows(sequences)
        users = self.encoder.users(windows)
        read = windows.sequences
        return self.state.best(users, sequences, k, exclude_seen=exclude_seen, window=read, rules=rules)

    def _nearest(self, codes: Int64s, k: int, vectors: Float32s) -> tuple[Int64s, Float32s]:
        if self._state is None or self.catalog.removed is not None:  # the index knows nothing of removed items
            return super()._nearest(codes, k, vectors)
        return self.state.items.nearest(codes, k, tie_order=self.catalog.tie_order)

    def _states(self, sequences: Sequences) -> Float32s:
        return self.encoder.states(self.encoder.windows(sequences))

    def _heads(self) -> ResponseHeads | None:
        return self.encoder.network.responses

    def _raw_vectors(self) -> Float32s:
        return self.state.items.unnormalized

    def _event_codes(self, histories: Histories) -> Int32s:
        events = self.encoder.serializer.events
        assert events is not None
        return events.codes(histories)
