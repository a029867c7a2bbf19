"""What evaluation, reasons and the command line ask of a model: write ``score``; ranking is here, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.data import Catalog, Histories, Sequences
from llmrec.data.ids import some_ids, whole_number
from llmrec.errors import DataError
from llmrec.models.arguments import HistoriesLike, candidates_of, note_unknown_items, read_as_histories
from llmrec.models.ranking import cosines, most_similar, rank_candidates, similar_table, table_of, top_k
from llmrec.models.request import Request, check_diversity, require_bool, require_filter
from llmrec.models.rerank import Calibrated, Objective, Unlikeness
from llmrec.resources.shared_lock import SharedLock
from llmrec.retrieval.calibration import Calibration, Diversity
from llmrec.retrieval.filters import EVERY_ITEM, NO_FILTER, Filter, ItemRules

# Scores of this many histories are held at once, so that memory stays flat whatever the number of users.
CHUNK = 512
# Held by who recommends: items and what is computed of them do not change meanwhile.
STEADY = SharedLock()


class Seeded(NamedTuple):
    """A name, the settings in words, without the seed, and the seed: of equal settings only the seed differs."""

    name: str
    settings: str
    seed: int


class Ranker(ABC):
    """Scores the items of a catalog for histories, not users: new users and what-if edits need no retraining.

    A subclass sets ``kind``, writes ``score`` and says what it knows. ``Recommender`` is one that is fitted by a
    recipe, saved and loaded; others are made of such.

    >>> from llmrec.data import Histories, toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model = MarkovRecommender().fit(toy_films())
    >>> model.score(Histories.of({"ann": ["3"], "ben": []})).shape
    (2, 20)
    """

    kind: ClassVar[str]

    @property
    def is_fitted(self) -> bool:
        """Whether it can score; not so before a recommender was fitted or loaded."""
        return True

    @property
    @abstractmethod
    def catalog(self) -> Catalog:
        """The items that are ranked. Raises DataError before anything was fitted."""

    @property
    @abstractmethod
    def histories(self) -> Histories:
        """What is known of each user, for answers by user id; empty where users are not known."""

    @property
    @abstractmethod
    def exclude_seen(self) -> bool:
        """Whether items of a history are left out by default: not where people often come back to them."""

    @property
    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """Of what it was fitted and what that cost, as a run's manifest holds it: data, split, cost, ..."""

    @property
    def train_log(self) -> list[dict[str, Any]]:
        """One row for each logged step; empty for what is not trained in steps."""
        return []

    @property
    def seeded(self) -> Seeded | None:
        """What other seeds could be compared with; None where no seed decides anything."""
        return None

    @property
    def dtype(self) -> str | None:
        """What its LLM computes in, such as "bfloat16"; None for a model without one."""
        return None

    @property
    def narration_base(self) -> str | None:
        """The base LLM that words reasons for the recommendations; None for a model without one."""
        return None

    def __repr__(self) -> str:
        if not self.is_fitted:
            return f"{type(self).__name__}(not fitted)"
        data = self.metadata.get("data", {}).get("name", "data")
        return f"{type(self).__name__}(fitted on {data}, {len(self.catalog):,} items)"

    @abstractmethod
    def score(self, histories: Histories) -> Float32s:
        """Score every item for every history. Returns float32 [n_histories, n_items]; higher is better.

        Items of a history that are not in the catalog are ignored; an empty history gets an answer.
        """

    def score_variants(self, histories: Histories) -> Float32s:
        """Score as ``score`` does, but for rounding: what variants of a few histories share may be read once."""
        return self.score(histories)

    def recommend(
        self,
        histories: HistoriesLike,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        candidates: Mapping[str, Sequence[str]] | None = None,
        filter: Filter | None = None,
        diversity: Diversity = 0.0,
    ) -> pl.DataFrame:
        """Rank items for each history. Returns ``user_id, item_id, rank, score``, ranks from 1 without gaps.

        ``histories``: also lists of item ids, ``[["50", "181"]]`` or by user; a Fold; a table; a user's id.
        Items of the history are left out with ``exclude_seen``, by default as the training data suggests.
        ``candidates`` limits the items per user, ``filter`` those of all (see ``Filter``). ``diversity``, 0 to 1,
        is the weight of unlikeness to the items already in the list, by maximal marginal relevance; with a
        ``Calibration`` the list is as mixed as the history, by a column. Ties are broken by a fixed pseudo-random
        item order. A user may get fewer than ``k`` items when fewer are left. Items that the catalog lacks are
        counted and logged. Raises DataError for k < 1, for a filter that leaves nothing, for unlikeness by a model
        without item vectors, and for calibration by no column.
        """
        k, catalog = whole_number(k, label="k"), self.catalog
        request = self.request(k, filter, diversity)
        histories = read_as_histories(histories, self)
        note_unknown_items(histories, catalog)
        allowed = candidates_of(candidates, histories, catalog)
        exclude_seen = self.exclude_seen if exclude_seen is None else require_bool(exclude_seen, "exclude_seen")
        with STEADY.shared():
            if self.catalog is not catalog:
                catalog, request = self.catalog, self.request(k, filter, diversity)
            frames = [
                self._recommend_part(
                    histories[start : start + CHUNK], request, exclude_seen=exclude_seen, candidates=allowed
                )
                for start in range(0, len(histories), CHUNK)
            ]
        return pl.concat(frames) if frames else table_of([], catalog, np.empty((0, 0)), np.empty((0, 0)))

    def prepare(self) -> Self:
        """Read now what is read when it is first needed, such as a base model, and return self."""
        return self

    def for_scores(self) -> Self:
        """Return self, to be asked for nothing but scores and lists from now on: less may have to be read."""
        return self

    def request(self, k: int, wanted: Filter | None, diversity: Diversity) -> Request:
        """Return what is asked of every list. Raises DataError as ``recommend`` does."""
        catalog, rules = self.catalog, EVERY_ITEM
        if wanted is not None or catalog.removed is not None:
            rules = require_filter(NO_FILTER if wanted is None else wanted).resolve(catalog)
        return Request(k, rules, self._objective(check_diversity(diversity), catalog))

    def similar_items(
        self, item_ids: str | int | Sequence[str | int], k: int = 10, *, filter: Filter | None = None
    ) -> pl.DataFrame:
        """Find the items most like each given one. Returns ``item_id, similar_id, rank, score``.

        The score is the cosine of item vectors; where a model has none but weighs items by items (item-knn, ease,
        linear, markov), it is that weight, and items without one are not listed. ``filter``: see ``Filter``.
        Removed items are like none, but can be asked about. Raises DataError for an unknown id, k < 1, a filter
        that leaves nothing, or where the model has neither.
        """
        k, ids = whole_number(k, label="k"), some_ids(item_ids, label="item_ids")
        with STEADY.shared():
            catalog, vectors = self.catalog, self.item_vectors()
            codes = np.array([catalog.code(item) for item in ids], dtype=np.int64)
            if vectors is not None and filter is None:
                return similar_table(ids, catalog, *self._nearest(codes, k, vectors))
            likeness = self._likeness(codes) if vectors is None else cosines(vectors, codes)
            if likeness is None:
                raise DataError(
                    f"{self.kind} models have no item vectors; similar items need one such as llm, gru or text"
                )
            return similar_table(ids, catalog, *self.request(k, filter, 0.0).likest(likeness, codes, catalog))

    def item_vectors(self) -> Float32s | None:
        """Return float32 [n_items, dim], or None for a model without item vectors."""
        return None

    def _likeness(self, codes: Int64s) -> Float32s | None:
        """Return how like each item is to given ones, [n, n_items], -inf for not at all; None: not known."""
        return None

    def embed_users(self, histories: HistoriesLike) -> Float32s | None:
        """Return each history in the space of the item vectors, float32 [n, dim]; None where there is none.

        ``histories``: as for ``recommend``.
        """
        return None

    def prompt_example(self, histories: Histories) -> dict[str, Any] | None:
        """Show how the first of ``histories`` is written for an LLM; None for a model that reads no text."""
        return None

    def _objective(self, diversity: Diversity, catalog: Catalog) -> Objective | None:
        if isinstance(diversity, Calibration):
            return Calibrated(diversity.resolve(catalog), diversity.weight)
        vectors = self.item_vectors() if diversity else None
        if diversity and vectors is None:
            raise no_item_vectors(self.kind)
        return None if vectors is None else Unlikeness(vectors, diversity)

    def _nearest(self, codes: Int64s, k: int, vectors: Float32s) -> tuple[Int64s, Float32s]:
        """Find the k other items of highest cosine: codes and scores [n, k]."""
        catalog = self.catalog
        return most_similar(vectors, codes, k, catalog.tie_order, without=catalog.removed)

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        """Rank the items that ``rules`` allow: codes and scores [n, k], -inf where nothing is left."""
        scores = rules.applied(self.score(histories))
        return self._best_of(scores, histories, k, exclude_seen=exclude_seen)

    def _ranked_among(
        self,
        histories: Histories,
        candidates: list[Int32s],
        k: int,
        *,
        exclude_seen: bool,
        rules: ItemRules = EVERY_ITEM,
    ) -> tuple[Int64s, Float32s]:
        """Rank the candidates of each history, given by code, -1 for no item; see ``_ranked``."""
        codes, scores = self._ranked(histories, len(self.catalog), exclude_seen=exclude_seen, rules=rules)
        for row, allowed in enumerate(candidates):
            scores[row, ~np.isin(codes[row], allowed)] = -np.inf
        return rank_candidates(codes, scores, k, self.catalog.tie_order, without=np.isneginf(scores))

    def _best_of(
        self, scores: Float32s, histories: Histories, k: int, *, exclude_seen: bool
    ) -> tuple[Int64s, Float32s]:
        """Return the k items of highest score, [n, k]; with ``exclude_seen`` those of a history have -inf."""
        if exclude_seen:
            seen = Sequences.encode(histories, self.catalog)
            scores[seen.users(), seen.codes] = -np.inf
        return top_k(scores, k, self.catalog.tie_order)

    def _recommend_part(
        self,
        histories: Histories,
        request: Request,
        *,
        exclude_seen: bool,
        candidates: Mapping[str, list[str]] | None,
    ) -> pl.DataFrame:
        users, catalog = list(histories.user_ids), self.catalog
        codes = [catalog.codes(candidates.get(user, [])) for user in users] if candidates is not None else None

        def ranked(rows: Int64s, k: int) -> tuple[Int64s, Float32s]:
            part = histories if len(rows) == len(histories) else histories.take(rows)
            if codes is None:
                return self._ranked(part, k, exclude_seen=exclude_seen, rules=request.rules)
            allowed = [request.rules.among(codes[row]) for row in rows]
            return self._ranked_among(part, allowed, k, exclude_seen=exclude_seen, rules=request.rules)

        def past() -> Sequences:
            return Sequences.encode(histories, catalog).positives()

        return table_of(users, catalog, *request.lists(ranked, len(users), len(catalog), past))


def no_user_vectors(kind: str) -> DataError:
    """Return what is said of a model that has no vectors of users."""
    return DataError(f"{kind} models have no vectors of users; llm, gru, als and text have some")


def no_item_vectors(kind: str) -> DataError:
    """Return what is said of a model that has no vectors of items, by which lists are made diverse."""
    return DataError(
        f"{kind} models have no item vectors to say what is alike; leave out diversity, or make lists as mixed as "
        "the history by a column: Calibration('genres', 0.3), --calibrate genres"
    )
