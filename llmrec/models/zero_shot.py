"""Recommend by asking an untuned chat LLM: nothing is learned but which items are popular."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec.arrays import Bools, Float32s, Float64s, Int32s, Int64s, Integers
from llmrec.data import Histories, Sequences
from llmrec.errors import DataError
from llmrec.llm.candidate_scoring import LETTERS, PromptMode, PromptScorer, Question
from llmrec.models.baselines.popularity import PopularityRecommender
from llmrec.models.composite import Composite
from llmrec.models.ranking import rank_candidates, top_k
from llmrec.prompting import Language, one_line
from llmrec.retrieval.filters import EVERY_ITEM, ItemRules


class PromptRanking(Composite):
    """A base model, as it is, puts candidates in order by prompt. For comparison with models that learned.

    Zero-shot, unless ``base`` is a folder with a model that was tuned elsewhere on ``prompt``.

    ``mode``: ``order`` (it writes all candidates' letters, best first), ``letter`` (the probabilities of the
    letters in one forward pass) or ``title`` (how likely it is to write each title); see ``PromptScorer``.
    Candidates are those given to ``recommend``, else the ``candidates`` most popular ones; all other items
    come after them, by popularity. They are shown in a fixed pseudo-random order, which says nothing. Up to
    ``max_items`` of the newest items are shown, fewer where the model's context is short. Raises DataError
    for more candidates than letters.

    >>> PromptRanking(mode="title", candidates=10)
    PromptRanking(not fitted)
    """

    kind = "prompt"

    def __init__(
        self,
        base: str = "smollm2-135m",
        *,
        mode: PromptMode = "letter",
        candidates: int = 20,
        max_items: int = 20,
        language: Language = "en",
    ) -> None:
        if candidates < 1 or max_items < 1:
            raise DataError(f"candidates and max_items must be at least 1, got {candidates} and {max_items}")
        super().__init__(PopularityRecommender())
        self.mode, self.candidates, self.max_items = mode, candidates, max_items
        self._scorer = PromptScorer(base, mode, language=language)
        self._check_letters(candidates)

    @property
    def metadata(self) -> dict[str, Any]:
        """As of popularity; ``prompt`` says who is asked and how."""
        from llmrec.runtime import device_name

        metadata = super().metadata
        prompt = {"base": self._scorer.base, "mode": self.mode, "wording": self._scorer.prompt.name}
        return {**metadata, "cost": {**metadata["cost"], "device": device_name()}, "prompt": prompt}

    def score(self, histories: Histories) -> Float32s:
        """Score the popular candidates by prompt, all others below them. See ``Ranker.score``."""
        return self._dense(histories, exclude_seen=self.exclude_seen)

    def prompt(self, history: Int64s, candidates: Int64s) -> tuple[list[dict[str, str]], Int64s]:
        """Write the question about item codes as messages; return the order of the candidates in it, [n]."""
        question, order = self._question(history, candidates)
        return self._scorer.messages(question), order

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        scores = rules.applied(self._dense(histories, exclude_seen=exclude_seen, allowed=rules.allowed))
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
        sequences = Sequences.encode(histories, self.catalog)
        allowed = []
        for row, given in enumerate(candidates):
            codes = np.unique(given).astype(np.int64)
            allowed.append(codes[(codes >= 0) & ~(exclude_seen & np.isin(codes, sequences[row]))])
        width = max(map(len, allowed), default=0)
        best, values = np.zeros((len(allowed), width), dtype=np.int64), np.full((len(allowed), width), -np.inf)
        for row, (codes, scores) in enumerate(
            zip(allowed, self._prompted(sequences.positives(), allowed), strict=True)
        ):
            best[row, : len(codes)] = codes
            values[row, : len(codes)] = rules.boosted(codes, scores.astype(np.float32))
        if not width:
            return best, values.astype(np.float32)
        without = np.isneginf(values)
        return rank_candidates(best, values.astype(np.float32), k, self.catalog.tie_order, without=without)

    def _dense(self, histories: Histories, *, exclude_seen: bool, allowed: Bools | None = None) -> Float32s:
        """Score the popular candidates by prompt and all others below them, by popularity."""
        popularity = self.models[0].score(histories)
        if not len(popularity):
            return popularity
        sequences, most = Sequences.encode(histories, self.catalog), popularity.max()
        if exclude_seen:
            popularity[sequences.users(), sequences.codes] = -1.0
        if allowed is not None:
            popularity[:, ~allowed] = -1.0
        chosen, _ = top_k(popularity, self.candidates, self.catalog.tie_order)
        scores: Float32s = popularity / (most + np.float32(2.0))  # below 1
        for row, prompted in enumerate(self._prompted(sequences.positives(), list(chosen))):
            scores[row, chosen[row]] = 2.0 + prompted - prompted.min()
        return scores.astype(np.float32, copy=False)

    def _prompted(self, sequences: Sequences, candidates: list[Int64s]) -> list[Float64s]:
        """Prompt for each sequence that has candidates; the scores are in the order of the codes."""
        rows = [row for row, codes in enumerate(candidates) if len(codes)]
        by_row: list[Float64s] = [np.empty(0)] * len(candidates)
        self._check_letters(max((len(codes) for codes in candidates), default=0))
        questions = [self._question(sequences[row], candidates[row]) for row in rows]
        scored = self._scorer.scores([question for question, _ in questions])
        for row, (_, order), scores in zip(rows, questions, scored, strict=True):
            by_row[row] = np.empty(len(scores))
            by_row[row][order] = scores
        return by_row

    def _question(self, history: Integers, candidates: Int64s) -> tuple[Question, Int64s]:
        order = np.argsort(self.catalog.tie_order[candidates])
        newest = tuple(self._title(code) for code in history[-self.max_items :])
        return Question(newest, tuple(self._title(code) for code in candidates[order])), order

    def _title(self, code: int) -> str:
        return one_line(self.catalog.titles[code])

    def _check_letters(self, candidates: int) -> None:
        if self.mode != "title" and candidates > len(LETTERS):
            raise DataError(
                f"{candidates} candidates for one prompt, but it has only {len(LETTERS)} letters for them; give "
                "fewer, or use mode='title'"
            )
