"""The contract of every ranker: scores, ranks, candidates, similar items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import polars as pl

from llmrec.data import Histories
from llmrec.data.columns import ITEM, RANK, SCORE, USER
from llmrec.models.ranker import Ranker
from llmrec.retrieval import Filter
from llmrec.testing.toy import K, accepted, check_refused, ndcg, of_all_lengths, toy_split


class RankerContract(ABC):
    """Subclass, write ``build``, and every promise of the ``Ranker`` interface is tested on the toy films.

    Say what the ranker cannot do: ``sequential = False`` for one that does not know what follows what,
    ``has_item_vectors = False`` for one without. Both are tested, too. ``scores_compare_candidates``: an item's
    score depends on which others are candidates. ``tolerance`` is what a score may differ by
    when a history is scored alone instead of in a batch.

    >>> from llmrec.data import toy_films
    >>> from llmrec.models import Fusion, MarkovRecommender, PopularityRecommender
    >>> class TestMix(RankerContract):
    ...     sequential = has_item_vectors = False
    ...     def build(self):
    ...         return Fusion(*(kind().fit(toy_films()) for kind in (MarkovRecommender, PopularityRecommender)))
    >>> TestMix().test_no_histories_no_rows()
    """

    sequential: ClassVar[bool] = True
    good: ClassVar[float] = 0.9  # the NDCG@10 that a sequential model reaches; random ranks have 0.35
    has_item_vectors: ClassVar[bool] = True
    scores_compare_candidates: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-4
    _shared: Ranker

    @abstractmethod
    def build(self) -> Ranker:
        """Return a new ranker of ``toy_split().train``, with a fixed seed."""

    def ranker(self) -> Ranker:
        """Return the ranker that the tests share."""
        suite = type(self)
        if "_shared" not in vars(suite):
            suite._shared = self.build()
        return suite._shared

    def test_the_next_item_is_known(self) -> None:
        value = ndcg(self.ranker(), toy_split().test)
        assert (value >= self.good) == self.sequential, f"NDCG@10 is {value:.2f}, sequential is {self.sequential}"

    def test_scores_are_finite_float32_one_row_a_history(self) -> None:
        histories = toy_split().test.histories
        scores = self.ranker().score(histories)
        assert scores.dtype == np.float32
        assert scores.shape == (len(histories), len(toy_split().train.catalog))
        assert np.isfinite(scores).all()
        assert self.ranker().score(Histories.of({})).shape == (0, scores.shape[1])

    def test_seen_items_are_not_recommended(self) -> None:
        histories = toy_split().test.histories
        recs = self.ranker().recommend(histories, K)
        for user, items in zip(histories.user_ids, histories, strict=True):
            assert not set(recs.filter(pl.col(USER) == user)[ITEM]) & set(items)
        everything = self.ranker().recommend(histories[:3], 100, exclude_seen=False)
        assert everything.height == 3 * len(toy_split().train.catalog)

    def test_ranks_have_no_gaps_and_scores_fall(self) -> None:
        histories = toy_split().test.histories
        recs = self.ranker().recommend(histories, K)
        assert recs.columns == [USER, ITEM, RANK, SCORE]
        assert recs[USER].unique(maintain_order=True).to_list() == list(histories.user_ids)
        for (_,), part in recs.group_by(USER, maintain_order=True):
            assert part[RANK].to_list() == list(range(1, K + 1))
            assert part[SCORE].is_sorted(descending=True)
            assert part[ITEM].n_unique() == K

    def test_one_by_one_equals_the_batch(self) -> None:
        histories = of_all_lengths()
        together = self.ranker().score(histories)
        alone = [self.ranker().score(histories.take([n])) for n in range(len(histories))]
        np.testing.assert_allclose(np.concatenate(alone), together, rtol=self.tolerance, atol=self.tolerance)
        reversed_rows = self.ranker().score(histories.take(np.arange(len(histories))[::-1]))
        np.testing.assert_allclose(reversed_rows[::-1], together, rtol=self.tolerance, atol=self.tolerance)

    def test_the_user_id_says_nothing(self) -> None:
        one, other = Histories.of({"1": ["3", "4"]}), Histories.of({"nobody's id": ["3", "4"]})
        np.testing.assert_array_equal(self.ranker().score(one), self.ranker().score(other))

    def test_unknown_items_are_ignored(self) -> None:
        scores = self.ranker().score(
            Histories.of({"a": ["3", "4"], "b": ["no", "3", "such", "4", "item"], "c": ["no", "such"], "d": []})
        )
        np.testing.assert_allclose(scores[1], scores[0], rtol=self.tolerance, atol=self.tolerance)
        np.testing.assert_allclose(scores[2], scores[3], rtol=self.tolerance, atol=self.tolerance)

    def test_an_empty_history_gets_an_answer(self) -> None:
        recs = self.ranker().recommend(Histories.of({"new": []}), K)
        assert recs[RANK].to_list() == list(range(1, K + 1))

    def test_a_long_history_gets_an_answer(self) -> None:
        long = Histories.of({"fan": [str(n % 20) for n in range(600)]})
        assert self.ranker().recommend(long, K).is_empty()  # all films were seen
        assert self.ranker().recommend(long, K, exclude_seen=False).height == K

    def test_only_candidates_are_recommended(self) -> None:
        histories = Histories.of({"a": ["0", "1"], "b": ["0", "1"], "c": ["0", "1"]})
        candidates = {"a": ["1", "5", "9", "no such item"], "b": ["7", "7"]}
        recs = self.ranker().recommend(histories, K, candidates=candidates)
        items = {user: set(recs.filter(pl.col(USER) == user)[ITEM]) for user in "abc"}
        assert items == {"a": {"5", "9"}, "b": {"7"}, "c": set()}
        assert recs[RANK].to_list() == [1, 2, 1]
        assert candidates == {"a": ["1", "5", "9", "no such item"], "b": ["7", "7"]}

    def test_a_filter_loses_no_item(self) -> None:
        histories, ranker = of_all_lengths(), self.ranker()
        everything = ranker.recommend(histories, 20, exclude_seen=False)
        allowed = [str(item) for item in range(0, 20, 4)]
        for k in (2, 5):
            some = ranker.recommend(histories, k, exclude_seen=False, filter=Filter(allow=allowed))
            assert some.group_by(USER).len()["len"].to_list() == [k] * len(histories)
            assert set(some[ITEM]) <= set(allowed)
        chosen = pl.col(ITEM).is_in(allowed)
        same = some.join(everything.filter(chosen), on=[USER, ITEM], how="left", maintain_order="left")
        if not self.scores_compare_candidates:
            np.testing.assert_allclose(same[SCORE], same[f"{SCORE}_right"], rtol=1e-4, atol=1e-4)
        boosted = ranker.recommend(histories, 1, exclude_seen=False, filter=Filter(boosts={"item_id = '7'": 1e6}))
        assert boosted[ITEM].to_list() == ["7"] * len(histories)
        capped = ranker.recommend(histories, 20, exclude_seen=False, filter=Filter(at_most={"item_id": 1}))
        assert capped[ITEM].equals(everything[ITEM])
        check_refused(lambda: ranker.recommend(histories, 5, filter=Filter("no_such_column > 5")))
        check_refused(lambda: ranker.recommend(histories, 5, filter=Filter("title = nothing")))

    def test_a_large_k_ranks_all_that_is_left(self) -> None:
        recs = self.ranker().recommend(Histories.of({"a": ["0", "1", "2"]}), 1000)
        assert recs[RANK].to_list() == list(range(1, len(toy_split().train.catalog) - 3 + 1))

    def test_no_histories_no_rows(self) -> None:
        recs = self.ranker().recommend(Histories.of({}), K)
        assert recs.is_empty()
        assert recs.schema == self.ranker().recommend(Histories.of({"a": []}), K).schema

    def test_bad_queries_are_refused(self) -> None:
        ranker = self.ranker()
        check_refused(lambda: ranker.recommend(Histories.of({"a": []}), 0))
        check_refused(lambda: ranker.similar_items(["0"], 0))
        check_refused(lambda: ranker.similar_items(["no such item"]))

    def test_similar_items_are_the_nearest_by_cosine(self) -> None:
        ranker, catalog = self.ranker(), toy_split().train.catalog
        vectors = ranker.item_vectors()
        assert (vectors is not None) == self.has_item_vectors, "set has_item_vectors to what item_vectors says"
        if vectors is None:
            known = ranker._likeness(catalog.codes(["3"]).astype(np.int64)) is not None
            assert accepted(lambda: ranker.similar_items(["3"])) == known
            return
        assert vectors.dtype == np.float32
        assert len(vectors) == len(catalog)
        table = ranker.similar_items(["3", "4"], 5)
        assert table.columns == [ITEM, "similar_id", RANK, SCORE]
        assert table[ITEM].to_list() == ["3"] * 5 + ["4"] * 5
        assert table[RANK].to_list() == [1, 2, 3, 4, 5] * 2
        assert (table[ITEM] != table["similar_id"]).all()
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        cosines = unit[catalog.codes(["3", "4"])] @ unit.T
        cosines[[0, 1], catalog.codes(["3", "4"])] = -np.inf
        best = np.sort(cosines, axis=1)[:, :-6:-1].reshape(-1)
        np.testing.assert_allclose(table[SCORE], best, atol=1e-3)
        by_id = cosines[np.repeat([0, 1], 5), catalog.codes(table["similar_id"])]
        np.testing.assert_allclose(by_id, best, atol=1e-3)

    def test_similar_items_obey_a_filter(self) -> None:
        ranker = self.ranker()
        if not accepted(lambda: ranker.similar_items(["3"])):
            return
        everything = ranker.similar_items(["3", "4"], 100)
        _check_similar(everything)
        some = ranker.similar_items(["3", "4"], 100, filter=Filter(deny=["5", "6"]))
        _check_similar(some)
        expected = everything.filter(~pl.col("similar_id").is_in(["5", "6"]))
        assert some.select(ITEM, "similar_id").equals(expected.select(ITEM, "similar_id"))

    def test_scoring_changes_nothing(self) -> None:
        ranker, histories = self.ranker(), of_all_lengths()
        items, offsets = [list(one) for one in histories], histories.offsets.copy()
        first = ranker.score(histories)
        copy = first.copy()
        ranker.recommend(histories, K)
        assert [list(one) for one in histories] == items
        assert histories.offsets.tolist() == offsets.tolist()
        np.testing.assert_array_equal(ranker.score(histories), copy)
        first[:] = 0  # what a caller does with its scores is its own affair
        np.testing.assert_array_equal(ranker.score(histories), copy)

    def test_the_same_seed_gives_the_same_scores(self) -> None:
        histories = toy_split().test.histories
        np.testing.assert_array_equal(self.build().score(histories), self.ranker().score(histories))


def _check_similar(table: pl.DataFrame) -> None:
    """Raise AssertionError unless each item's list has ranks from 1, falling scores, and not the item itself."""
    assert table.columns == [ITEM, "similar_id", RANK, SCORE]
    assert (table[ITEM] != table["similar_id"]).all()
    for _, rows in table.group_by(ITEM):
        assert rows[RANK].to_list() == list(range(1, rows.height + 1))
        assert rows[SCORE].is_sorted(descending=True)
