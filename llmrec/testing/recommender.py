"""The contract of every recommender: fit, save and load, besides all that a ranker promises."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from llmrec.data import Dataset, Fold, Histories, Split
from llmrec.data.columns import ITEM, SCORE, USER
from llmrec.models.base import Recommender
from llmrec.models.fusion import Fusion
from llmrec.models.ranker import Ranker
from llmrec.models.saved_vectors import similar_in_run
from llmrec.retrieval import Filter, ItemIndex
from llmrec.testing.process import scores_in_another_process
from llmrec.testing.ranker import RankerContract
from llmrec.testing.toy import K, accepted, backwards, check_refused, of_all_lengths, toy_split


class RecommenderContract(RankerContract):
    """Subclass, write ``make``, and every promise of the ``Recommender`` interface is tested on the toy films.

    The suite fits one model for all tests and a few to compare. ``takes_new_items`` is for a model that has a
    score for items which it was not trained on, ``texts_change = False`` for one in which no title can be another.

    >>> from llmrec.models import MarkovRecommender
    >>> class TestMarkov(RecommenderContract):
    ...     has_item_vectors = False
    ...     def make(self):
    ...         return MarkovRecommender()
    >>> TestMarkov().test_an_unfitted_model_is_refused()
    """

    takes_new_items: ClassVar[bool] = False
    texts_change: ClassVar[bool] = True

    @abstractmethod
    def make(self) -> Recommender:
        """Return a new, unfitted recommender with a fixed seed."""

    def build(self) -> Ranker:
        """Fit a new model."""
        return self.make().fit(toy_split().train, valid=toy_split().valid)

    def fitted(self) -> Recommender:
        """Return the fitted model that the tests share."""
        model = self.ranker()
        assert isinstance(model, Recommender)
        return model

    def test_an_unfitted_model_is_refused(self) -> None:
        check_refused(lambda: self.make().score(Histories.of({"a": []})))
        check_refused(lambda: self.make().recommend(Histories.of({"a": []}), K))
        check_refused(lambda: self.make().recommend(Histories.of({}), K))
        check_refused(lambda: self.make().similar_items(["0"]))

    def test_fit_changes_none_of_its_inputs(self) -> None:
        split = backwards()
        before, model = _contents(split), self.make()
        recipe = model.recipe
        assert model.fit(split.train, valid=split.valid) is model
        model.recommend(split.test.histories, K)
        assert _contents(split) == before
        assert model.recipe == recipe

    def test_a_second_fit_forgets_the_first(self) -> None:
        split, histories = backwards(), of_all_lengths()
        model = self.make().fit(split.train, valid=split.valid)
        composite = Fusion(model, model)
        for ranker in (model, composite):  # whatever is computed once is computed now
            ranker.recommend(histories, K)
        if self.has_item_vectors:
            model.similar_items(["3"])
        once = self.fitted()
        model.fit(toy_split().train, valid=toy_split().valid)
        np.testing.assert_array_equal(model.score(histories), once.score(histories))
        assert model.recommend(histories, K).equals(once.recommend(histories, K))
        np.testing.assert_array_equal(composite.score(histories), Fusion(once, once).score(histories))
        assert _without_cost(model.metadata) == _without_cost(once.metadata)
        assert [row.get("loss") for row in model.train_log] == [row.get("loss") for row in once.train_log]
        assert list(model.histories) == list(once.histories)

    def test_a_loaded_run_scores_and_knows_the_same(self, tmp_path: Path) -> None:
        model, histories = self.fitted(), of_all_lengths()
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

    def test_a_run_s_item_vectors_are_read_without_the_model(self, tmp_path: Path) -> None:
        self.fitted().save(tmp_path / "run")
        saved = similar_in_run(tmp_path / "run", ["3", "4"], 5)
        assert (saved is not None) == self.has_item_vectors
        if saved is not None:
            expected = self.fitted().similar_items(["3", "4"], 5)
            np.testing.assert_allclose(saved[0][SCORE], expected[SCORE], rtol=1e-5, atol=1e-5)
            assert saved[0][ITEM].equals(expected[ITEM])
            assert ItemIndex.open(tmp_path / "run").ids == self.fitted().catalog.ids

    def test_a_run_is_not_written_over_another(self, tmp_path: Path) -> None:
        self.fitted().save(tmp_path / "run")
        check_refused(lambda: self.fitted().save(tmp_path / "run"))

    def test_two_processes_load_the_same_scores(self, tmp_path: Path) -> None:
        model, histories = self.fitted(), of_all_lengths()
        model.save(tmp_path / "run")
        scores = scores_in_another_process(type(model), tmp_path / "run", [list(one) for one in histories])
        np.testing.assert_array_equal(scores, type(model).load(tmp_path / "run").score(histories))

    def test_new_items_are_ranked_at_once_by_all_that_use_the_model(self, tmp_path: Path) -> None:
        model, composite, histories = *self._with_composite(tmp_path), of_all_lengths()
        before = composite.score(histories).shape[1]
        taken = accepted(lambda: model.add_items({"item_id": ["new"], "title": ["A new film"]}))
        assert taken == self.takes_new_items, "set takes_new_items to what it does"
        if not taken:
            assert len(model.catalog) == before
            return
        assert model.catalog.ids[-1] == "new"
        assert model.score(histories).shape[1] == composite.score(histories).shape[1] == before + 1
        ranked = model.recommend(histories, before + 1, exclude_seen=False)
        assert (ranked[ITEM] == "new").sum() == len(histories)
        again = composite.recommend(histories, before + 1, exclude_seen=False)
        assert again.drop("score").equals(ranked.drop("score"))
        check_refused(lambda: model.add_items({"item_id": ["new"], "title": ["The same again"]}))
        check_refused(lambda: model.add_items({"item_id": [], "title": []}))

    def test_removed_items_are_recommended_by_nothing_and_read_as_before(self, tmp_path: Path) -> None:
        model, composite, histories = *self._with_composite(tmp_path), of_all_lengths()
        scores, everything = model.score(histories), model.recommend(histories, 20, exclude_seen=False)
        model.remove_items(["7", "9"])
        left = everything.filter(~pl.col(ITEM).is_in(["7", "9"]))[ITEM]
        model.save(tmp_path / "saved")
        for ranker in (model, composite, type(model).load(tmp_path / "saved")):
            ranked = ranker.recommend(histories, 20, exclude_seen=False)[ITEM]
            assert sorted(ranked) == sorted(left)
            assert ranker is composite or ranked.to_list() == left.to_list()
            assert ranker.recommend(histories, 1, candidates={str(n): ["7"] for n in range(10)}).is_empty()
            check_refused(lambda: ranker.recommend(histories, 1, filter=Filter(allow=["9"])))  # noqa: B023
        np.testing.assert_array_equal(model.score(histories), scores)
        if self.has_item_vectors:
            assert not {"7", "9"} & set(model.similar_items(["3", "7"], 20)["similar_id"])
            assert model._index_rows() is None or not {"7", "9"} & set(model.item_index().ids)
            saved = similar_in_run(tmp_path / "saved", ["3", "7"], 20)
            assert saved is not None
            assert not {"7", "9"} & set(saved[0]["similar_id"])
        for ids in (["7"], ["0", "0"], ["no such item"], [], [str(n) for n in range(20) if n not in {7, 9}]):
            check_refused(lambda: model.remove_items(ids))  # noqa: B023
        model.add_items({"item_id": ["7"], "title": [model.catalog.titles[7]]})
        model.update_items({"item_id": ["9"]})
        assert model.recommend(histories, 20, exclude_seen=False).equals(everything)

    def test_changed_columns_are_what_filters_read(self, tmp_path: Path) -> None:
        model, composite, histories = *self._with_composite(tmp_path), of_all_lengths()
        change = {"item_id": ["7"], "title": ["Another title"]}
        taken = accepted(lambda: model.update_items(change))
        assert taken == self.texts_change, "set texts_change to what it does"
        wanted = Filter("title = 'Another title'")
        if not taken:
            check_refused(lambda: model.recommend(histories, 5, filter=wanted))
            return
        assert model.catalog.titles[7] == composite.catalog.titles[7] == "Another title"
        for ranker in (model, composite):
            ranked = ranker.recommend(histories, 5, exclude_seen=False, filter=wanted)
            assert ranked[ITEM].to_list() == ["7"] * len(histories)
        model.save(tmp_path / "saved")
        assert type(model).load(tmp_path / "saved").catalog.table.equals(model.catalog.table)
        bad: list[dict[str, list[str]]] = [
            {"item_id": ["no such item"], "title": ["x"]},
            {"item_id": ["3", "3"], "title": ["x", "y"]},
            {"item_id": ["3"], "no_such_column": ["x"]},
            {"item_id": ["3"], "title": [" "]},
            {"item_id": [], "title": []},
            {"title": ["x"]},
        ]
        titles = model.catalog.titles
        for items in bad:
            check_refused(lambda: model.update_items(items))  # noqa: B023
        assert model.catalog.titles == titles

    def test_a_forgotten_user_is_gone(self, tmp_path: Path) -> None:
        self.fitted().save(tmp_path / "run")
        model = type(self.fitted()).load(tmp_path / "run")
        known, scores = model.histories, model.score(of_all_lengths())
        user = known.user_ids[3]
        model.forget_user(user)
        others = [name for name in known.user_ids if name != user]
        model.save(tmp_path / "saved")
        for one in (model, type(model).load(tmp_path / "saved")):
            assert list(one.histories.user_ids) == others
            assert list(one.histories) == [known.of_user(name).items(0) for name in others]
            assert one.metadata["forgotten"]["users"] == 1
        np.testing.assert_array_equal(model.score(of_all_lengths()), scores)
        for path in (tmp_path / "saved").rglob("histories.parquet"):
            assert user not in pl.read_parquet(path)[USER].to_list()
        check_refused(lambda: model.forget_user(user))
        check_refused(lambda: model.forget_user("nobody"))

    def _with_composite(self, folder: Path) -> tuple[Any, Fusion]:
        """Return the fitted model as a run holds it and a composite of it; both have computed what they keep."""
        self.fitted().save(folder / "run")
        model: Any = type(self.fitted()).load(folder / "run")
        composite = Fusion(model, model)
        for ranker in (model, composite):
            ranker.recommend(of_all_lengths(), K)
        return model, composite


def _contents(split: Split) -> list[object]:
    """Everything in a split that a model could change, as plain values."""
    parts: list[Dataset | Fold | None] = [split.train, split.valid]
    values: list[object] = [split.train.catalog.table.rows(), split.train.fingerprint]
    for part in parts:
        if part is not None:
            histories = part.histories
            values += [histories.user_ids, histories.events.rows(named=True), histories.offsets.tolist()]
    return [*values, split.train.events.rows(named=True), split.valid.answers.rows(named=True)]


def _without_cost(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name != "cost"}
