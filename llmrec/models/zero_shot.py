"""Recommend by asking an untuned chat LLM: nothing is learned but which items are popular."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Float64s, Int64s, Integers
from llmrec.config import Recipe
from llmrec.data import Dataset, Fold, Histories, Sequences, Split
from llmrec.data.columns import ITEM
from llmrec.errors import ArtifactError, DataError
from llmrec.llm.candidate_scoring import LETTERS, PromptMode, PromptScorer, Question
from llmrec.models.base import Recommender
from llmrec.models.ranking import rank_candidates, table_of, top_k
from llmrec.prompting import Language, one_line


class PromptRanking(Recommender):
    """A base model, as it is, puts candidates in order by prompt. For comparison with models that learned.

    Zero-shot, unless ``base`` is a folder with a model that was tuned elsewhere on ``prompt``.

    ``mode``: ``order`` (it writes all candidates' letters, best first), ``letter`` (the probabilities of the
    letters in one forward pass) or ``title`` (how likely it is to write each title); see ``llm.ask.PromptScorer``.
    Candidates are those given to ``recommend``, else the ``candidates`` most popular ones; all other items
    come after them, by popularity. They are shown in a fixed pseudo-random order, which says nothing. Up to
    ``max_items`` of the newest items are shown, fewer where the model's context is short. Raises DataError
    for more candidates than letters.
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
        super().__init__(Recipe(name=f"prompt-{mode}", model=self.kind))
        if candidates < 1 or max_items < 1:
            raise DataError(f"candidates and max_items must be at least 1, got {candidates} and {max_items}")
        self.mode, self.candidates, self.max_items = mode, candidates, max_items
        self._scorer = PromptScorer(base, mode, language=language)
        self._limit(candidates)

    def save(self, folder: str | Path, *, split: Split | None = None) -> None:
        """Refuse. Raises ArtifactError."""
        raise ArtifactError(
            f"a {self.kind} ranking has learned nothing that could be saved; make it anew and fit it"
        )

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from llmrec.runtime import device_name

        codes = self.catalog.codes(data.events[ITEM])
        self._counts = np.bincount(codes, minlength=len(self.catalog)).astype(np.float32)
        self._titles = [one_line(title) for title in self.catalog.titles]
        self.metadata["cost"] = {"device": device_name()}
        self.metadata["prompt"] = {
            "base": self._scorer.base,
            "mode": self.mode,
            "wording": self._scorer.prompt.name,
        }

    def _score(self, sequences: Sequences) -> Float32s:
        return self._dense(sequences, exclude_seen=self.exclude_seen)

    def _ranked(self, histories: Histories, k: int, *, exclude_seen: bool) -> tuple[Int64s, Float32s]:
        sequences = Sequences.encode(histories, self.catalog)
        scores = self._dense(sequences, exclude_seen=exclude_seen)
        if exclude_seen:
            scores[sequences.users(), sequences.codes] = -np.inf
        return top_k(scores, k, self.catalog.tie_order)

    def _recommend_part(
        self, histories: Histories, k: int, *, exclude_seen: bool, candidates: Mapping[str, list[str]] | None
    ) -> pl.DataFrame:
        if candidates is None:
            return super()._recommend_part(histories, k, exclude_seen=exclude_seen, candidates=None)
        sequences = Sequences.encode(histories, self.catalog)
        given = []
        for row, user in enumerate(histories.user_ids):
            codes = np.unique(self.catalog.codes(candidates.get(user, []))).astype(np.int64)
            given.append(codes[(codes >= 0) & ~(exclude_seen & np.isin(codes, sequences[row]))])
        width = max(map(len, given), default=0)
        found, values = np.zeros((len(given), width), dtype=np.int64), np.full((len(given), width), -np.inf)
        for row, (codes, scores) in enumerate(zip(given, self._judged(sequences, given), strict=True)):
            found[row, : len(codes)], values[row, : len(codes)] = codes, scores
        if width:
            without = np.isneginf(values)
            found, values = rank_candidates(
                found, values.astype(np.float32), k, self.catalog.tie_order, without=without
            )
        return table_of(list(histories.user_ids), self.catalog, found, values)

    def _dense(self, sequences: Sequences, *, exclude_seen: bool) -> Float32s:
        """Score the popular candidates by prompt and all others below them, by popularity."""
        popular = np.repeat(self._counts[None], len(sequences), axis=0)
        if exclude_seen:
            popular[sequences.users(), sequences.codes] = -1.0
        chosen, _ = top_k(popular, self.candidates, self.catalog.tie_order)
        scores: Float32s = popular / (self._counts.max() + np.float32(2.0))  # below 1
        for row, judged in enumerate(self._judged(sequences, list(chosen))):
            scores[row, chosen[row]] = 2.0 + judged - judged.min()
        return scores.astype(np.float32, copy=False)

    def _judged(self, sequences: Sequences, candidates: list[Int64s]) -> list[Float64s]:
        """Ask about each sequence that has candidates; the scores are in the order of the codes."""
        asked = [row for row, codes in enumerate(candidates) if len(codes)]
        found: list[Float64s] = [np.empty(0)] * len(candidates)
        self._limit(max((len(codes) for codes in candidates), default=0))
        made = [self._question(sequences[row], candidates[row]) for row in asked]
        scored = self._scorer.scores([question for question, _ in made])
        for row, (_, shown), scores in zip(asked, made, scored, strict=True):
            found[row] = np.empty(len(scores))
            found[row][shown] = scores
        return found

    def prompt(self, history: Int64s, candidates: Int64s) -> tuple[list[dict[str, str]], Int64s]:
        """Write the question about item codes as messages; say in which order the candidates stand in it, [n]."""
        question, shown = self._question(history, candidates)
        return self._scorer.messages(question), shown

    def _question(self, history: Integers, candidates: Int64s) -> tuple[Question, Int64s]:
        shown = np.argsort(self.catalog.tie_order[candidates])
        newest = tuple(self._titles[code] for code in history[-self.max_items :])
        return Question(newest, tuple(self._titles[code] for code in candidates[shown])), shown

    def _limit(self, candidates: int) -> None:
        if self.mode != "title" and candidates > len(LETTERS):
            raise DataError(
                f"{candidates} candidates for one prompt, but it has only {len(LETTERS)} letters for them; give "
                "fewer, or use way='title'"
            )

    def _load(self, folder: Path) -> NoReturn:
        raise NotImplementedError

    def _save(self, folder: Path) -> NoReturn:
        raise NotImplementedError
