"""Reasons for a service: scores from the model's thread, in small parts; words on another."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
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
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.explanations import TEMPLATE, cited_rows
from llmrec.reasons.listed import as_listed
from llmrec.reasons.pipeline import check_wording, gathered, planned_requests, worded
from llmrec.reasons.request import ReasonForm
from llmrec.serve.batcher import Batcher
from llmrec.serve.failures import BusyError
from llmrec.serve.histories import QueriedHistory, joined
from llmrec.serve.lists import filter_of
from llmrec.serve.metrics import ServiceMetrics
from llmrec.serve.queries import RanksQuery
from llmrec.serve.ranks import ranks_without
from llmrec.serve.reason_cache import REASON_SHARE, ReasonCache, key_of

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
        return self._in_parts(histories, self._model.score)

    def score_variants(self, histories: Histories) -> Float32s:
        """Return the model's scores of variants of a few histories."""
        return self._in_parts(histories, self._model.score_variants)

    def _in_parts(self, histories: Histories, score: Callable[[Histories], Float32s]) -> Float32s:
        starts = range(0, len(histories), SCORED_AT_ONCE)
        parts = [histories[start : start + SCORED_AT_ONCE] for start in starts]
        scores = [self._batcher.call(partial(score, part), bounded=False).result() for part in parts]
        return np.concatenate(scores) if scores else np.zeros((0, len(self.catalog)), dtype=np.float32)


class Reasoner:
    """Gives reasons by one run. ``backend``: llm is the run's base LLM; auto and template ask no LLM.

    Evidence is remembered by history and item, an LLM's words by all that they were written from, in a share of
    ``cache_bytes``: the same list, or another with some of its items, is told again without the model.
    """

    def __init__(
        self,
        model: Recommender,
        batcher: Batcher[Any, Any],
        backend: NarratorName,
        *,
        cache_bytes: int,
        metrics: ServiceMetrics,
    ) -> None:
        self._evidence: ReasonCache[Evidence] = ReasonCache("evidence", cache_bytes // REASON_SHARE, metrics)
        self._words: ReasonCache[Explanation] = ReasonCache("words", cache_bytes // REASON_SHARE, metrics)
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
        ranks: Sequence[int] | None = None,
    ) -> list[NarrationRequest]:
        """Gather the evidence for items, whose list has these ``ranks``. Raises DataError and BusyError."""
        check_wording(language, form)
        evidence = self._steady(lambda: self._evidence_of(history, item_ids, form, instead))
        if ranks is not None:
            evidence = as_listed(evidence, ranks)
        return planned_requests(evidence, language=language, form=form, tone=tone)

    def forget(self) -> None:
        """Forget all reasons: the catalog changed, or what is known of users. On any thread."""
        self._evidence.clear()
        self._words.clear()

    def _evidence_of(
        self, history: QueriedHistory, item_ids: Sequence[str], form: ReasonForm, instead: str | None
    ) -> list[Evidence]:
        generation, events = self._evidence.generation, key_of(history.events)
        # A rival is told of in one sentence only: with one, the form is part of what is asked.
        keys = {item: (events, item, instead, instead and form) for item in item_ids}
        known = {item: one for item, key in keys.items() if (one := self._evidence.get(key)) is not None}
        missing = [item for item in keys if item not in known]
        if missing:
            items = pl.Series(ITEM, missing, dtype=pl.String)
            recs = pl.DataFrame([pl.repeat("0", len(missing), dtype=pl.String, eager=True).alias(USER), items])
            new = gathered(self._model, recs, joined([history]), form=form, instead=instead)
            for item, evidence in zip(missing, new, strict=True):
                known[item] = evidence
                self._evidence.put(keys[item], evidence, generation)
        return [known[item] for item in item_ids]

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
        """Word a reason by the narrator, audited; one at a time, and none a second time."""
        if not self.narrates:
            return self.plain([request])[0]
        # The repr holds all that the words depend on.
        key, generation = hashlib.blake2b(repr(request).encode()).digest(), self._words.generation
        explanation = self._words.get(key)
        if explanation is None:
            with self._narrating:
                (explanation,) = worded([request], self._narrator, or_template=True)
            if explanation.backend != TEMPLATE or explanation.replaced:
                self._words.put(key, explanation, generation)
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
