"""Changes written beside a run are made whenever it is loaded; a journal that does not fit is refused."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import llmrec
from llmrec import Filter, Histories, ItemIndex, Recipe, Split, batch
from llmrec.arrays import Float32s
from llmrec.errors import ArtifactError, DataError, WriteConflict
from llmrec.llm import encode
from llmrec.llm.ragged import RaggedTokens
from llmrec.models import LLMRecommender, Recommender, StackedRecommender, from_recipe, load
from llmrec.models.runs import change_items, fit_run
from llmrec.models.saved_vectors import similar_in_run

SEEN = Histories.of([["3", "4"], []])


@pytest.fixture
def run(toy_split: Split, tmp_path: Path) -> Path:
    from_recipe(Recipe(model="markov")).fit(toy_split.train).save(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def llm(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    return LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train)


def top(model: Recommender) -> list[str]:
    return model.recommend(SEEN, 12, exclude_seen=False)["item_id"].to_list()


def test_items_of_a_run_are_removed_by_a_table_or_by_their_ids(run: Path) -> None:
    change_items(run, "remove", ["5", 6])
    change_items(run, "remove", pd.DataFrame({"item_id": [7], "why": ["sold out"]}))
    assert not {"5", "6", "7"} & set(top(load(run)))
    with pytest.raises(DataError, match=r"a list of ids is meant, not the text '8'"):
        change_items(run, "remove", "8")
    with pytest.raises(DataError, match="items to remove: no column 'item_id' among id; rename one"):
        change_items(run, "remove", pl.DataFrame({"id": ["8"]}))


def test_changes_last_only_when_asked(run: Path) -> None:
    load(run).remove_items(["5"])
    assert "5" in top(load(run))
    model = llmrec.load(run, journal=True)
    model.remove_items(["5", "6"])
    model.update_items({"item_id": ["7"], "title": ["Another title"]})
    model.add_items({"item_id": ["6"], "title": ["Here again"]})
    again = load(run)
    assert again.catalog.table.equals(model.catalog.table)
    assert again.catalog.titles[6:8] == ["Here again", "Another title"]
    assert top(again) == top(model)
    assert "5" not in top(again)
    again.save(run.with_name("copy"))
    assert top(load(run.with_name("copy"))) == top(model)
    with pytest.raises(DataError, match="a markov model has no score for new items such as 'new'"):
        model.add_items({"item_id": ["new"], "title": ["New"]})
    assert load(run).catalog.table.equals(model.catalog.table)  # what is refused is not written


def test_many_changes_are_made_in_their_order(run: Path) -> None:
    model = load(run, journal=True)
    model.remove_items(["5"])
    model.remove_items(["6"])
    model.update_items({"item_id": ["5"]})
    for item, title in (("7", "A"), ("8", "B"), ("7", "C")):
        model.update_items({"item_id": [item], "title": [title]})
    model.remove_items(["5"])
    again = load(run)
    assert again.catalog.titles[7:9] == ["C", "B"]
    assert again.catalog.removed is not None
    assert np.flatnonzero(again.catalog.removed).tolist() == [5, 6]
    assert again.catalog.table.equals(model.catalog.table)


def test_two_models_of_one_run_do_not_overwrite_each_other(run: Path) -> None:
    one, other = load(run, journal=True), load(run, journal=True)
    one.remove_items(["5"])
    with pytest.raises(WriteConflict, match="changed by another process"):
        other.remove_items(["6"])
    assert "6" in top(other)
    load(run, journal=True).remove_items(["6"])
    assert not {"5", "6"} & set(top(load(run)))


def test_a_journal_that_does_not_fit_is_refused(run: Path, toy_split: Split) -> None:
    load(run, journal=True).remove_items(["5"])
    journal, other = run.with_name("run.changes"), run.with_name("other")
    from_recipe(Recipe(model="popularity")).fit(toy_split.train).save(other)
    shutil.copy(journal, other.with_name("other.changes"))
    with pytest.raises(ArtifactError, match="holds changes of another run"):
        load(other)
    shutil.copy(journal, run.with_name("kept"))
    journal.write_bytes(journal.read_bytes()[:5000])
    with pytest.raises(ArtifactError, match=r"run\.changes is damaged"):
        load(run)
    shutil.copy(run.with_name("kept"), journal)
    with sqlite3.connect(journal) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ArtifactError, match="install a newer llmrec"):
        load(run)


def test_what_reads_a_run_without_its_model_knows_them(toy_split: Split, tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = from_recipe(Recipe.of({"model": "als", "als": {"factors": 4}})).fit(toy_split.train)
    model.remove_items(["4"])
    model.save(run)
    assert sorted(ItemIndex.open(run).ids) == sorted(set(model.catalog.ids) - {"4"})
    batch(run, tmp_path / "out", k=3)
    changed = load(run, journal=True)
    changed.remove_items(["5"])
    changed.update_items({"item_id": ["4"], "title": ["Back again"]})
    assert sorted(ItemIndex.open(run).ids) == sorted(set(model.catalog.ids) - {"5"})
    assert "5" not in changed.item_index().ids
    with pytest.raises(ArtifactError, match="choose another"):
        batch(run, tmp_path / "out", k=3)  # of other items


def test_a_run_is_not_written_where_changes_of_another_lie(run: Path, toy_split: Split) -> None:
    model = load(run, journal=True)
    model.remove_items(["5"])
    shutil.rmtree(run)
    with pytest.raises(ArtifactError, match=r"run\.changes holds changes of a run that was at"):
        model.save(run)
    with pytest.raises(ArtifactError, match=r"run\.changes holds changes of a run that was at"):
        fit_run(Recipe(model="markov"), toy_split.data, toy_split, run, progress=False)


def test_a_change_that_does_not_fit_the_run_is_refused(run: Path) -> None:
    model = load(run, journal=True)
    assert model.change_log is not None
    model.change_log.append("remove", pl.DataFrame({"item_id": ["no such item"]}))
    with pytest.raises(ArtifactError, match="change 1 does not fit the run"):
        load(run)
    model.change_log.append("paint", pl.DataFrame({"item_id": ["5"]}))
    with pytest.raises(ArtifactError, match="change 2 is of a kind that this version"):
        load(run)


def test_an_llm_makes_them_without_its_base_until_it_is_needed(llm: LLMRecommender, tmp_path: Path) -> None:
    llm.save(tmp_path / "run")
    model = load(tmp_path / "run", journal=True)
    model.remove_items(["5"])
    assert similar_in_run(tmp_path / "run", ["4"], 12) is not None
    lazy = load(tmp_path / "run")
    assert isinstance(lazy, LLMRecommender)
    assert "5" not in lazy.similar_items(["4"], 12)["similar_id"].to_list()
    assert lazy._state is None
    model.update_items({"item_id": ["7"], "title": ["Quite another film"]})
    model.add_items({"item_id": ["new"], "title": ["Film 99: New"]})
    assert similar_in_run(tmp_path / "run", ["4"], 12) is None  # what it holds is not all
    again = load(tmp_path / "run")
    assert isinstance(again, LLMRecommender)
    assert len(again.catalog) == 13
    assert again._state is None
    assert isinstance(model, LLMRecommender)
    np.testing.assert_allclose(again.item_vectors(), model.item_vectors(), atol=1e-5)
    np.testing.assert_allclose(again.score(SEEN), model.score(SEEN), atol=1e-4)
    assert again.metadata["added_items"] == 1


def test_an_llm_encodes_changed_texts_only_and_keeps_what_it_learned(
    llm: LLMRecommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm.save(tmp_path / "run")
    model, encoded = LLMRecommender.load(tmp_path / "run"), list[int]()
    model.score(SEEN)
    plain = encode.encode_item_texts

    def counted(network: Any, texts: RaggedTokens, *, batch_tokens: int) -> Float32s:
        encoded.append(len(texts))
        return plain(network, texts, batch_tokens=batch_tokens)

    monkeypatch.setattr(encode, "encode_item_texts", counted)
    before, session = model.state, model.session(["7", "3"])
    model.update_items({"item_id": ["7", "3"], "title": [model.catalog.titles[5], model.catalog.titles[3]]})
    assert encoded == [1]  # the title of 3 is what it was
    after = model.state
    np.testing.assert_allclose(after.encodings.texts[7], before.encodings.texts[5], atol=1e-4)
    others = np.delete(np.arange(12), 7)
    np.testing.assert_array_equal(after.encodings.texts[others], before.encodings.texts[others])
    np.testing.assert_array_equal(after.items.biases, before.items.biases)
    for name in ("ids.weight", "gate"):
        np.testing.assert_array_equal(
            after.encoder.network.items.state_dict()[name], before.encoder.network.items.state_dict()[name]
        )
    assert np.abs(after.items.vectors[7] - before.items.vectors[7]).max() > 1e-4
    model.remove_items(["9", "7"])
    assert not {"9", "7"} & set(session.recommend(12)["item_id"])
    session.append("9")  # still read
    assert session.history == ["7", "3", "9"]
    expected = model.recommend(Histories.of([["7", "3", "9"]]), 12)["item_id"]
    fresh = model.session(["7", "3", "9"]).recommend(12)["item_id"]
    assert fresh.to_list() == expected.to_list()
    allowed = Filter(allow=["7", "9", "1"])
    assert session.recommend(3, filter=allowed)["item_id"].to_list() == ["1"]


def test_a_stack_changes_with_its_members(toy_split: Split, tmp_path: Path) -> None:
    members = [from_recipe(Recipe(model=kind)).fit(toy_split.train) for kind in ("markov", "popularity")]
    stack = StackedRecommender.of(members, toy_split)
    stack.remove_items(["5"])
    user = stack.histories.user_ids[0]
    stack.forget_user(user)
    assert "5" not in top(stack)
    assert all(member.catalog is stack.catalog for member in stack.members)
    assert not any(user in member.histories.user_ids for member in stack.members)
    assert "5" in top(members[0])  # not the models that it was made of
    stack.save(tmp_path / "run")
    assert "5" not in top(load(tmp_path / "run"))
    with pytest.raises(DataError, match="a markov model has no score for new items"):
        stack.add_items({"item_id": ["new"], "title": ["New"]})
    assert len(stack.catalog) == len(stack.members[1].catalog) == 12


def test_nobody_who_recommends_meets_a_half_made_change(llm: LLMRecommender, tmp_path: Path) -> None:
    llm.save(tmp_path / "run")
    model, faults, over = load(tmp_path / "run"), list[BaseException | str](), threading.Event()
    removed = ["8", "9"]
    model.remove_items(removed)

    def ask() -> None:
        while not over.is_set():
            try:
                ranked = model.recommend(SEEN, 20, exclude_seen=False)["item_id"].to_list()
                similar = model.similar_items(["4"], 20)["similar_id"].to_list()
            except BaseException as error:
                faults.append(error)
                return
            faults.extend(item for item in (*ranked, *similar) if item in removed)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(3):
        model.add_items({"item_id": [f"new-{n}"], "title": [f"Film 9{n}: New"]})
        model.remove_items([f"new-{n}"])
    over.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(model.catalog) == 15
