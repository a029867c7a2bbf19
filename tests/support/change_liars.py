"""Recommenders that break one promise about items that go or change, or about people to be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from support.next_film import NextFilm

from llmrec.data import Catalog, Histories
from llmrec.data.catalog_changes import CatalogChange, updated_items
from llmrec.retrieval import Filter


class RecommendsTheRemoved(NextFilm):
    def remove_items(self, item_ids: Any) -> None:
        if set(item_ids) != {"7", "9"}:
            super().remove_items(item_ids)


class RemovesOnlyInMemory(NextFilm):
    def save(self, folder: str | Path, **options: Any) -> None:
        self.catalog = Catalog(self.catalog.table)
        super().save(folder, **options)


class FindsTheRemovedSimilar(NextFilm):
    def similar_items(self, item_ids: Any, k: int = 10, *, filter: Filter | None = None) -> pl.DataFrame:
        removed, self.catalog = self.catalog, Catalog(self.catalog.table)
        similar = super().similar_items(item_ids, k, filter=filter)
        self.catalog = removed
        return similar


class ForgetsTheRemoved(NextFilm):
    def _take_change(self, change: CatalogChange) -> None:
        if change.catalog.removed is not None:
            self._followed = np.where(change.catalog.removed[:, None], 0, self._followed)


class NeverTakesBack(NextFilm):
    def _take_change(self, change: CatalogChange) -> None:
        self._lost = getattr(self, "_lost", np.zeros(20, dtype=bool))
        if change.catalog.removed is not None:
            self._lost = self._lost | change.catalog.removed

    def recommend(self, histories: Histories, k: int = 10, **options: Any) -> pl.DataFrame:
        lost = [str(n) for n in np.flatnonzero(getattr(self, "_lost", []))]
        return super().recommend(histories, k, **options).filter(~pl.col("item_id").is_in(lost))


class ChangesNothing(NextFilm):
    def update_items(self, items: Any) -> None:
        updated_items(self.catalog, items)


class ChangesHalf(NextFilm):
    def update_items(self, items: Any) -> None:
        if "3" in items.get("item_id", []):
            super().update_items({"item_id": ["3"], "title": ["x"]})
        super().update_items(items)


class KeepsTheForgotten(NextFilm):
    def _forget(self, user_id: str) -> None:
        pass


class ForgetsEverybody(NextFilm):
    def _forget(self, user_id: str) -> None:
        self.histories = Histories.of({})


class ForgetsInSilence(NextFilm):
    def forget_user(self, user_id: str | int) -> None:
        if user_id in self.histories.user_ids:
            super().forget_user(user_id)
