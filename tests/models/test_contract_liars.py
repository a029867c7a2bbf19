"""Every test of the contract suite catches a recommender that breaks its promise, and passes an honest one."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from support import change_liars, liars
from support.next_film import GrowingNextFilm, NextFilm

from llmrec.data import Catalog
from llmrec.errors import ModelError
from llmrec.models import Recommender
from llmrec.models.composite import Composite
from llmrec.testing import RecommenderContract

# By test: the liars that it catches, and what the contract says of them where that is the lie.
LIARS: dict[str, list[tuple[type[Recommender], dict[str, bool]]]] = {
    "test_the_next_item_is_known": [(liars.PopularOnly, {}), (NextFilm, {"sequential": False})],
    "test_scores_are_finite_float32_one_row_a_history": [
        (liars.NotANumber, {}),
        (liars.DoublePrecision, {}),
        (liars.ShapelessForNobody, {}),
    ],
    "test_seen_items_are_not_recommended": [(liars.SeenAgain, {}), (liars.NeverSeenAgain, {})],
    "test_ranks_have_no_gaps_and_scores_fall": [(liars.RanksFromZero, {}), (liars.WorstFirst, {})],
    "test_one_by_one_equals_the_batch": [(liars.CentredInTheBatch, {})],
    "test_the_user_id_says_nothing": [(liars.ReadsUserIds, {})],
    "test_unknown_items_are_ignored": [(liars.CountsUnknownItems, {})],
    "test_an_empty_history_gets_an_answer": [(liars.SilentToNewUsers, {})],
    "test_a_long_history_gets_an_answer": [(liars.FixedPositions, {})],
    "test_only_candidates_are_recommended": [(liars.AnyCandidate, {}), (liars.UsesCandidatesUp, {})],
    "test_a_filter_loses_no_item": [(liars.FiltersItsTop, {}), (liars.DeafToFilters, {})],
    "test_a_large_k_ranks_all_that_is_left": [(liars.AtMostTen, {})],
    "test_no_histories_no_rows": [(liars.AnotherEmptyTable, {})],
    "test_bad_queries_are_refused": [(liars.TakesAnyK, {}), (liars.TakesAnyItem, {})],
    "test_similar_items_are_the_nearest_by_cosine": [
        (liars.LikeItself, {}),
        (liars.NearestByDotProduct, {}),
        (liars.VectorsLost, {}),
        (NextFilm, {"has_item_vectors": False}),
    ],
    "test_similar_items_obey_a_filter": [(liars.SimilarWhateverIsDenied, {})],
    "test_a_run_s_item_vectors_are_read_without_the_model": [
        (liars.NearestByDotProduct, {}),
        (liars.VectorsLost, {}),
        (NextFilm, {"has_item_vectors": False}),
    ],
    "test_scoring_changes_nothing": [
        (liars.LearnsFromQueries, {}),
        (liars.EmptiesHistories, {}),
        (liars.HandsOutItsCache, {}),
    ],
    "test_the_same_seed_gives_the_same_scores": [(liars.Dice, {})],
    "test_an_unfitted_model_is_refused": [(liars.FittedFromBirth, {})],
    "test_fit_changes_none_of_its_inputs": [
        (liars.DropsTimestamps, {}),
        (liars.DropsAnswers, {}),
        (liars.ChangesItsRecipe, {}),
        (liars.FitsACopy, {}),
    ],
    "test_a_second_fit_forgets_the_first": [(liars.RemembersTheFirstFit, {}), (liars.CountsItsFits, {})],
    "test_a_loaded_run_scores_and_knows_the_same": [(liars.SavesHalf, {}), (liars.LosesItsLog, {})],
    "test_a_run_is_not_written_over_another": [(liars.Overwrites, {})],
    "test_two_processes_load_the_same_scores": [(liars.RemembersItsProcess, {})],
    "test_new_items_are_ranked_at_once_by_all_that_use_the_model": [
        (NextFilm, {"takes_new_items": True}),
        (GrowingNextFilm, {}),
        (liars.OldWidth, {"takes_new_items": True}),
        (liars.TakesAnItemTwice, {"takes_new_items": True}),
        (liars.HidesNewItems, {"takes_new_items": True}),
    ],
    "test_removed_items_are_recommended_by_nothing_and_read_as_before": [
        (change_liars.RecommendsTheRemoved, {}),
        (change_liars.RemovesOnlyInMemory, {}),
        (change_liars.FindsTheRemovedSimilar, {}),
        (change_liars.ForgetsTheRemoved, {}),
        (change_liars.NeverTakesBack, {}),
    ],
    "test_changed_columns_are_what_filters_read": [
        (change_liars.ChangesNothing, {}),
        (change_liars.ChangesHalf, {}),
        (NextFilm, {"texts_change": False}),
    ],
    "test_a_forgotten_user_is_gone": [
        (change_liars.KeepsTheForgotten, {}),
        (change_liars.ForgetsEverybody, {}),
        (change_liars.ForgetsInSilence, {}),
    ],
}
TESTS = [name for name in dir(RecommenderContract) if name.startswith("test_")]


def check(name: str, model: type[Recommender], claims: dict[str, bool], folder: Path) -> None:
    """Run one test of the suite on a recommender."""

    class Suite(RecommenderContract):
        good = 1.0

        def make(self) -> Recommender:
            return model()

    for claim, value in claims.items():
        setattr(Suite, claim, value)
    test = getattr(Suite(), name)
    test(*([folder] if "tmp_path" in inspect.signature(test).parameters else []))


@pytest.mark.parametrize(
    ("name", "liar", "claims"),
    [(name, liar, claims) for name, cases in LIARS.items() for liar, claims in cases],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value) if isinstance(value, str) else "",
)
def test_a_liar_is_caught(name: str, liar: type[Recommender], claims: dict[str, bool], tmp_path: Path) -> None:
    earlier: dict[type[Recommender], type[Exception]] = {
        liars.FixedPositions: IndexError,
        liars.NotANumber: ModelError,
    }
    with pytest.raises(earlier.get(liar, AssertionError)):
        check(name, liar, claims, tmp_path)


@pytest.mark.parametrize("name", TESTS)
def test_an_honest_recommender_passes_and_every_test_has_a_liar(name: str, tmp_path: Path) -> None:
    assert LIARS[name]
    for model, claims in ((NextFilm, {}), (GrowingNextFilm, {"takes_new_items": True})):
        (tmp_path / model.kind).mkdir()
        check(name, model, claims, tmp_path / model.kind)


def test_a_composite_that_copies_the_catalog_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, claims = "test_new_items_are_ranked_at_once_by_all_that_use_the_model", {"takes_new_items": True}
    check(name, GrowingNextFilm, claims, tmp_path)

    def copied(self: Composite) -> Catalog:
        catalog: Catalog = vars(self).setdefault("_copy", self.models[0].catalog)
        return catalog

    monkeypatch.setattr(Composite, "catalog", property(copied))
    (tmp_path / "again").mkdir()
    with pytest.raises(ValueError, match="shapes"):
        check(name, GrowingNextFilm, claims, tmp_path / "again")
