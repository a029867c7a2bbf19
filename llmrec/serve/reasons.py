"""Reasons for a service: scores from the model's thread, in small parts; words on another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import polars as pl

from llmrec.arrays import Float32s
from llmrec.data import Histories
from llmrec.data.columns import ITEM, USER
from llmrec.models.base import Recommender
from llmrec.models.composite import Composite
from llmrec.prompting import Language
from llmrec.reasons import Explanation, LocalNarrator, NarrationRequest, Narrator, TemplateNarrator
from llmrec.reasons.explanations import cited_rows
from llmrec.reasons.pipeline import reason_requests, worded
from llmrec.reasons.request import ReasonForm
from llmrec.serve.batcher import Batcher
from llmrec.serve.failures import BusyError
from llmrec.serve.histories import QueriedHistory, joined
from llmrec.serve.lists import filter_of
from llmrec.serve.queries import RanksQuery
from llmrec.serve.ranks import ranks_without

# So many histories are scored at a time for a reason: a list that waits meanwhile does not wait longer.
SCORED_AT_ONCE = 16
TRIES = 3  # while items change

T = TypeVar("T")

NarratorName = Literal["auto", "llm", "template"]


class SharedModel(Composite):
    """A model for other threads than the one that owns it: that one scores, in turn with all else."""

    kind: ClassVar[str] = "shared"

    def __init__(self, model: Recommender, batcher: Batcher[Any, Any]) -> None:
        super().__init__(model)
        self._model, self._batcher = model, batcher

    def score(self, histories: Histories) -> Float32s:
        """Return the model's scores."""
        starts = range(0, len(histories), SCORED_AT_ONCE)
        parts = [self._scored(histories[start : start + SCORED_AT_ONCE]) for start in starts]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.catalog)), dtype=np.float32)

    def _scored(self, histories: Histories) -> Float32s:
        return self._batcher.call(lambda: self._model.score(histories), bounded=False).result()


class Reasoner:
    """Gives reasons by one run. ``backend``: llm is the run's base LLM; auto and template ask no LLM."""

    def __init__(self, model: Recommender, batcher: Batcher[Any, Any], backend: NarratorName) -> None:
        self._model = SharedModel(model, batcher)
        self._narrator: Narrator = TemplateNarrator()
        if backend == "llm":
            self._narrator = LocalNarrator(model.narration_base or "smollm2-135m")
        self._narrating = threading.Lock()

    @property
    def narrates(self) -> bool:
        """Whether an LLM words reasons."""
        return not isinstance(self._narrator, TemplateNarrator)

    def ranks(self, history: QueriedHistory, query: RanksQuery) -> list[dict[str, Any]]:
        """Return ranks of items, whole and without items of the history. Raises DataError and BusyError."""
        return self._steady(
            lambda: ranks_without(
                self._model,
                history.events,
                list(dict.fromkeys(query.item_ids)),
                list(dict.fromkeys(query.without)),
                exclude_seen=query.exclude_seen,
                rules=None if query.filter is None else filter_of(query.filter, self._model.catalog),
            )
        )

    def requests(
        self,
        history: QueriedHistory,
        item_ids: Sequence[str],
        *,
        language: Language,
        form: ReasonForm = "sentence",
        tone: str = "plain",
        instead: str | None = None,
    ) -> list[NarrationRequest]:
        """Gather the evidence for items. Raises DataError and BusyError."""
        items = pl.Series(ITEM, list(item_ids), dtype=pl.String)
        recs = pl.DataFrame([pl.repeat("0", len(item_ids), dtype=pl.String, eager=True).alias(USER), items])
        return self._steady(
            lambda: reason_requests(
                self._model, recs, joined([history]), language=language, form=form, tone=tone, instead=instead
            )
        )

    def _steady(self, function: Callable[[], T]) -> T:
        """Compute again where items changed meanwhile: scores of two catalogs cannot be compared."""
        for _ in range(TRIES):
            catalog = self._model.catalog
            try:
                result = function()
            except Exception:
                if self._model.catalog is catalog:
                    raise
            else:
                if self._model.catalog is catalog:
                    return result
        raise BusyError("items change faster than they are scored; try again in a second")

    def plain(self, requests: Sequence[NarrationRequest]) -> list[dict[str, Any]]:
        """Word reasons by the template."""
        return [_reason(one) for one in worded(requests, TemplateNarrator())]

    def worded(self, request: NarrationRequest) -> dict[str, Any]:
        """Word a reason by the narrator, audited; one at a time."""
        with self._narrating:
            (explanation,) = worded([request], self._narrator, or_template=True)
        return _reason(explanation)


def _reason(one: Explanation) -> dict[str, Any]:
    facts = [asdict(fact) for fact in one.facts]
    return {
        "sentence": one.sentence,
        "backend": one.backend,
        "evidence": cited_rows(one.evidence),
        "faults": list(one.faults),
        "facts": facts,
        "theme": one.theme,
        "rank": one.evidence.rank,
    }
