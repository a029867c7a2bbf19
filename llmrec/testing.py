"""The contract suite: what every recommender must pass, here and in other people's packages.

Subclass it in a test file and write ``make``; pytest runs the rest::

    class TestMine(RecommenderContract):
        def make(self) -> Recommender:
            return MyRecommender(Recipe(name="mine", seed=3))
"""

from __future__ import annotations

import unittest
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from llmrec import metrics
from llmrec.data import Fold, Histories, Split, toy_films
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.errors import ArtifactError, DataError
from llmrec.models.base import Recommender

K = 10


@cache
def toy_split() -> Split:
    """Return the toy data that the contract is tested on, split: 20 films in cyclic order, 60 users."""
    return Split.leave_last_out(toy_films())


def ndcg(model: Recommender, fold: Fold) -> float:
    """Mean NDCG@10 of a model's answers to a fold."""
    users = list(fold.histories.user_ids)
    table = metrics.per_user(model.recommend(fold.histories, K), fold.answers, users=users, k=K)
    return float(np.mean(table[f"ndcg@{K}"].to_numpy()))


class RecommenderContract:
    """Subclass, write ``make``, and every promise of the ``Recommender`` interface is tested on toy data.

    The suite fits one model for all tests and a second one to compare. Set ``sequential = False`` for a
    model that cannot know what follows what. ``tolerance`` is what a score may differ by when a history is
    scored alone instead of in a batch.
    """

    sequential: ClassVar[bool] = True
    good: ClassVar[float] = 0.9  # the NDCG@10 a sequential model must reach; knowing nothing gives 0.35
    tolerance: ClassVar[float] = 1e-4
    _model: Recommender

    def make(self) -> Recommender:
        """Return a new, unfitted recommender with a fixed seed."""
        raise NotImplementedError

    def fitted(self) -> Recommender:
        """Return the fitted model that the tests share."""
        kind = type(self)
        if "_model" not in vars(kind):
            kind._model = self.make().fit(toy_split().train, valid=toy_split().valid)
        return kind._model

    def test_knows_what_comes_next(self) -> None:
        if not self.sequential:
            raise unittest.SkipTest("not a sequence model")
        assert ndcg(self.fitted(), toy_split().test) >= self.good

    def test_scores_are_finite_float32_one_row_a_history(self) -> None:
        scores = self.fitted().score(toy_split().test.histories)
        assert scores.dtype == np.float32
        assert scores.shape == (len(toy_split().test.histories), len(toy_split().train.catalog))
        assert np.isfinite(scores).all()
        assert self.fitted().score(Histories.of({})).shape == (0, scores.shape[1])

    def test_never_recommends_what_was_seen(self) -> None:
        histories = toy_split().test.histories
        recs = self.fitted().recommend(histories, K)
        for user, items in zip(histories.user_ids, histories, strict=True):
            assert not set(recs.filter(pl.col(USER) == user)[ITEM]) & set(items)
        everything = self.fitted().recommend(histories[:3], 100, exclude_seen=False)
        assert everything.height == 3 * len(toy_split().train.catalog)

    def test_ranks_have_no_gaps_and_scores_fall(self) -> None:
        histories = toy_split().test.histories
        recs = self.fitted().recommend(histories, K)
        assert recs.columns == ["user_id", "item_id", "rank", "score"]
        assert recs[USER].unique(maintain_order=True).to_list() == list(histories.user_ids)
        for (_,), part in recs.group_by(USER, maintain_order=True):
            assert part[RANK].to_list() == list(range(1, K + 1))
            assert part["score"].is_sorted(descending=True)
            assert part[ITEM].n_unique() == K

    def test_one_by_one_equals_the_batch(self) -> None:
        histories = _of_all_lengths()
        together = self.fitted().score(histories)
        alone = [self.fitted().score(histories.take([n])) for n in range(len(histories))]
        np.testing.assert_allclose(np.concatenate(alone), together, rtol=self.tolerance, atol=self.tolerance)
        backwards = self.fitted().score(histories.take(np.arange(len(histories))[::-1]))
        np.testing.assert_allclose(backwards[::-1], together, rtol=self.tolerance, atol=self.tolerance)

    def test_the_user_id_says_nothing(self) -> None:
        one, other = Histories.of({"1": ["3", "4"]}), Histories.of({"nobody's id": ["3", "4"]})
        np.testing.assert_array_equal(self.fitted().score(one), self.fitted().score(other))

    def test_unknown_items_are_passed_over(self) -> None:
        pairs = Histories.of(
            {"a": ["3", "4"], "b": ["no", "3", "such", "4", "item"], "c": ["no", "such"], "d": []}
        )
        scores = self.fitted().score(pairs)
        np.testing.assert_allclose(scores[1], scores[0], rtol=self.tolerance, atol=self.tolerance)
        np.testing.assert_allclose(scores[2], scores[3], rtol=self.tolerance, atol=self.tolerance)

    def test_an_empty_history_gets_an_answer(self) -> None:
        recs = self.fitted().recommend(Histories.of({"new": []}), K)
        assert recs[RANK].to_list() == list(range(1, K + 1))

    def test_a_long_history_gets_an_answer(self) -> None:
        long = Histories.of({"fan": [str(n % 20) for n in range(600)]})
        assert self.fitted().recommend(long, K).is_empty()  # all films were seen
        assert self.fitted().recommend(long, K, exclude_seen=False).height == K

    def test_only_candidates_are_recommended(self) -> None:
        histories = Histories.of({"a": ["0", "1"], "b": ["0", "1"], "c": ["0", "1"]})
        candidates = {"a": ["1", "5", "9", "no such item"], "b": ["7", "7"]}
        recs = self.fitted().recommend(histories, K, candidates=candidates)
        found = {user: set(recs.filter(pl.col(USER) == user)[ITEM]) for user in "abc"}
        assert found == {"a": {"5", "9"}, "b": {"7"}, "c": set()}
        assert recs[RANK].to_list() == [1, 2, 1]

    def test_more_is_asked_than_there_is(self) -> None:
        recs = self.fitted().recommend(Histories.of({"a": ["0", "1", "2"]}), 1000)
        assert recs[RANK].to_list() == list(range(1, len(toy_split().train.catalog) - 3 + 1))

    def test_no_histories_no_rows(self) -> None:
        recs = self.fitted().recommend(Histories.of({}), K)
        assert recs.is_empty()
        assert recs.schema == self.fitted().recommend(Histories.of({"a": []}), K).schema

    def test_bad_questions_are_refused(self) -> None:
        for ask in (
            lambda: self.fitted().recommend(Histories.of({"a": []}), 0),
            lambda: self.fitted().similar_items(["0"], 0),
            lambda: self.fitted().similar_items(["no such item"]),
            lambda: self.make().recommend(Histories.of({"a": []}), K),
            lambda: self.make().recommend(Histories.of({}), K),
            lambda: self.make().similar_items(["0"]),
        ):
            _refused(ask)

    def test_similar_items_are_other_items(self) -> None:
        if self.fitted().item_vectors() is None:
            raise unittest.SkipTest("a model without item vectors")
        table = self.fitted().similar_items(["3", "4"], 5)
        assert table.columns == ["item_id", "similar_id", "rank", "score"]
        assert table[ITEM].to_list() == ["3"] * 5 + ["4"] * 5
        assert table[RANK].to_list() == [1, 2, 3, 4, 5] * 2
        assert (table[ITEM] != table["similar_id"]).all()
        assert table["score"].is_between(-1.0001, 1.0001).all()

    def test_saved_and_loaded_every_score_is_kept(self, tmp_path: Path) -> None:
        model, histories = self.fitted(), _of_all_lengths()
        model.save(tmp_path / "run")
        again = type(model).load(tmp_path / "run")
        assert type(again) is type(model)
        np.testing.assert_array_equal(again.score(histories), model.score(histories))
        assert again.recommend(histories, K).equals(model.recommend(histories, K))
        assert (again.recipe, again.metadata, again.train_log) == (model.recipe, model.metadata, model.train_log)
        assert again.catalog.table.equals(model.catalog.table)
        assert list(again.histories) == list(model.histories)
        again.save(tmp_path / "copy")
        np.testing.assert_array_equal(type(model).load(tmp_path / "copy").score(histories), model.score(histories))
        try:
            model.save(tmp_path / "run")
        except ArtifactError:
            return
        raise AssertionError("a run was written over another")

    def test_the_same_seed_gives_the_same_scores(self) -> None:
        twin = self.make().fit(toy_split().train, valid=toy_split().valid)
        np.testing.assert_array_equal(
            twin.score(toy_split().test.histories), self.fitted().score(toy_split().test.histories)
        )


def _of_all_lengths() -> Histories:
    """Histories of 0 to 9 items, so that a batch of them is padded."""
    return Histories.of([[str((3 * n + step) % 20) for step in range(n)] for n in range(10)])


def _refused(ask: object) -> None:
    assert callable(ask)
    try:
        ask()
    except DataError:
        return
    raise AssertionError("a bad question got an answer")
