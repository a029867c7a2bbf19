"""Recommenders that break one promise each: what the contract suite is there to catch."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from support.next_film import GrowingNextFilm, NextFilm

from llmrec import Recipe
from llmrec.arrays import Float32s, Int64s
from llmrec.data import Catalog, Dataset, Histories, Sequences
from llmrec.models.ranking import top_k
from llmrec.retrieval import Filter
from llmrec.testing import toy_split


class PopularOnly(NextFilm):
    def _score(self, sequences: Sequences) -> Float32s:
        return np.tile(self._share, (len(sequences), 1))


class NotANumber(NextFilm):
    def _score(self, sequences: Sequences) -> Float32s:
        scores = super()._score(sequences)
        scores[:, 0] = np.nan
        return scores


class DoublePrecision(NextFilm):
    def score(self, histories: Histories) -> Any:
        return super().score(histories).astype(np.float64)


class ShapelessForNobody(NextFilm):
    def score(self, histories: Histories) -> Float32s:
        return super().score(histories) if len(histories) else np.zeros((0, 0), dtype=np.float32)


class SeenAgain(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **{**options, "exclude_seen": False})


class NeverSeenAgain(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **{**options, "exclude_seen": True})


class RanksFromZero(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **options).with_columns(pl.col("rank") - 1)


class WorstFirst(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **options).with_columns(-pl.col("score"))


class CentredInTheBatch(NextFilm):
    def _score(self, sequences: Sequences) -> Float32s:
        scores = super()._score(sequences)
        centred: Float32s = scores - scores.mean(axis=0) * np.float32(0.01)
        return centred


class ReadsUserIds(NextFilm):
    def score(self, histories: Histories) -> Float32s:
        lengths = np.array([len(user) for user in histories.user_ids], dtype=np.float32)
        scores: Float32s = super().score(histories) + lengths[:, None]
        return scores


class CountsUnknownItems(NextFilm):
    def score(self, histories: Histories) -> Float32s:
        return super().score(histories) + histories.lengths()[:, None].astype(np.float32)


class SilentToNewUsers(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        filled = np.flatnonzero(histories.lengths())
        return super().recommend(histories.take(filled), k, **options)


class FixedPositions(NextFilm):
    def _score(self, sequences: Sequences) -> Float32s:
        np.zeros(200)[sequences.lengths()]  # a table of positions, as attention has it
        return super()._score(sequences)


class AnyCandidate(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, exclude_seen=options.get("exclude_seen"))


class UsesCandidatesUp(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        recs = super().recommend(histories, k, **options)
        for items in (options.get("candidates") or {}).values():
            items.pop()
        return recs


class FiltersItsTop(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        wanted = options.pop("filter", None)
        recs = super().recommend(histories, k, **options)
        return (
            recs if wanted is None or wanted.allow is None else recs.filter(pl.col("item_id").is_in(wanted.allow))
        )


class DeafToFilters(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **{**options, "filter": None})


class AtMostTen(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, min(k, 10), **options)


class AnotherEmptyTable(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **options) if len(histories) else pl.DataFrame({"user_id": []})


class TakesAnyK(NextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, max(k, 1), **options)


class TakesAnyItem(NextFilm):
    def similar_items(self, item_ids: Any, k: int = 10, *, filter: Filter | None = None) -> pl.DataFrame:
        return super().similar_items([item for item in item_ids if item in self.catalog.ids], k, filter=filter)


class LikeItself(NextFilm):
    def similar_items(self, item_ids: Any, k: int = 10, *, filter: Filter | None = None) -> pl.DataFrame:
        return super().similar_items(item_ids, k, filter=filter).with_columns(similar_id=pl.col("item_id"))


class SimilarWhateverIsDenied(NextFilm):
    def similar_items(self, item_ids: Any, k: int = 10, *, filter: Filter | None = None) -> pl.DataFrame:
        return super().similar_items(item_ids, k)


class NearestByDotProduct(NextFilm):
    def _nearest(self, codes: Int64s, k: int, vectors: Float32s) -> tuple[Int64s, Float32s]:
        scores = vectors[codes] @ vectors.T
        scores[np.arange(len(codes)), codes] = -np.inf
        return top_k(scores, k, self.catalog.tie_order)


class VectorsLost(NextFilm):
    def item_vectors(self) -> None:
        return None


class LearnsFromQueries(NextFilm):
    def score(self, histories: Histories) -> Float32s:
        scores = super().score(histories)
        self._share[self.catalog.codes(histories.events["item_id"])] += 1
        return scores


class EmptiesHistories(NextFilm):
    def score(self, histories: Histories) -> Float32s:
        scores = super().score(histories)
        histories.offsets.setflags(write=True)
        histories.offsets[1:] = 0
        return scores


class HandsOutItsCache(NextFilm):
    def score(self, histories: Histories) -> Float32s:
        cache = vars(self).setdefault("_cache", {})
        key = (histories.user_ids, *map(tuple, histories))
        if key not in cache:
            cache[key] = super().score(histories)
        scores: Float32s = cache[key]
        return scores


class Dice(NextFilm):
    def _fit(self, data: Dataset, **options: object) -> None:
        super()._fit(data, **options)
        self._share += np.random.random(len(self._share)).astype(np.float32)


class FittedFromBirth(NextFilm):
    def __init__(self, recipe: Recipe | None = None) -> None:
        super().__init__(recipe)
        self.fit(toy_split().train)


class DropsTimestamps(NextFilm):
    def _fit(self, data: Dataset, **options: object) -> None:
        super()._fit(data, **options)
        data.events.drop_in_place("timestamp")


class DropsAnswers(NextFilm):
    def _fit(self, data: Dataset, **options: Any) -> None:
        super()._fit(data, **options)
        options["valid"].answers.drop_in_place("item_id")


class ChangesItsRecipe(NextFilm):
    def _fit(self, data: Dataset, **options: object) -> None:
        super()._fit(data, **options)
        self.recipe = self.recipe.with_values({"seed": 7})


class FitsACopy(NextFilm):
    def fit(self, data: Any, **options: Any) -> Any:
        return NextFilm(self.recipe).fit(data, **options)


class RemembersTheFirstFit(NextFilm):
    def _fit(self, data: Dataset, **options: object) -> None:
        earlier = vars(self).get("_followed")
        super()._fit(data, **options)
        if earlier is not None:
            self._followed = earlier


class CountsItsFits(NextFilm):
    fits = 0

    def _fit(self, data: Dataset, **options: object) -> None:
        super()._fit(data, **options)
        self.fits += 1
        self.metadata["fits"] = self.fits


class SavesHalf(NextFilm):
    def _load(self, folder: Path) -> None:
        super()._load(folder)
        self._share = np.ones_like(self._share)


class LosesItsLog(NextFilm):
    def _fit(self, data: Dataset, **options: object) -> None:
        super()._fit(data, **options)
        self.train_log = [{"step": 1, "loss": 0.5}]


class Overwrites(NextFilm):
    def save(self, folder: str | Path, **options: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        super().save(folder, **options)


class RemembersItsProcess(NextFilm):
    """At the top of a module, where another process finds it."""

    kind = "remembers-its-process"

    def _score(self, sequences: Sequences) -> Float32s:
        scores: Float32s = super()._score(sequences) + np.float32(os.getpid())
        return scores


class OldWidth(GrowingNextFilm):
    def add_items(self, items: object) -> None:
        self.catalog = Catalog(pl.concat([self.catalog.table, self.catalog.rows_of(items)]))


class TakesAnItemTwice(GrowingNextFilm):
    def add_items(self, items: Any) -> None:
        if set(items["item_id"]) & set(self.catalog.ids):
            return
        super().add_items(items)


class HidesNewItems(GrowingNextFilm):
    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        return super().recommend(histories, k, **options).filter(pl.col("item_id") != "new")
