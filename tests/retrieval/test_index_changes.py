"""An index that is changed answers as one that is built of what is there; nothing removed comes back."""

from __future__ import annotations

import logging
import threading
from typing import Any

import faiss
import numpy as np
import pytest

from llmrec.arrays import Float32s
from llmrec.errors import DataError
from llmrec.retrieval import ItemIndex, UserIndex, VectorIndex
from llmrec.retrieval import growth as growth_module
from llmrec.retrieval.searchers import FlatSearcher, GraphSearcher

DIM = 8


def vectors_of(n: int, seed: int = 0) -> Float32s:
    """Whole numbers, whose inner products are exact in any order of summation."""
    return np.random.default_rng(seed).integers(-30, 30, (n, DIM)).astype(np.float32)


def bias_of(n: int, seed: int = 5) -> Float32s:
    """Biases of such steps that no two scores are equal, and all are exact."""
    steps = np.random.default_rng(seed).integers(-600_000, 600_000, n)
    return (steps / 2048).astype(np.float32)


def ids_of(start: int, end: int) -> list[str]:
    return [f"i{number}" for number in range(start, end)]


def index_of(n: int = 200, kind: str = "flat") -> ItemIndex:
    return ItemIndex.build(vectors_of(n), ids_of(0, n), bias=bias_of(n), kind=kind)


def change_much(index: VectorIndex) -> None:
    """Add, update, remove, and bring back what was removed, in the built rows and in those added."""
    index.add(vectors_of(60, 1), ids_of(200, 260), bias=bias_of(60, 6))
    index.remove([*ids_of(0, 30), "i205", "i259"])
    index.update(vectors_of(4, 2), ["i50", "i51", "i210", "i199"], bias=bias_of(4, 7))
    index.add(vectors_of(2, 3), ["i5", "i205"], bias=bias_of(2, 8))
    index.remove(["i50", "i100"])


def rebuilt(index: VectorIndex) -> VectorIndex:
    return type(index).build(index.vectors, index.ids, bias=index.biases, kind=index.facts.kind)


def assert_same_answers(index: VectorIndex, other: VectorIndex, k: int = 10) -> None:
    queries = vectors_of(20, 9)
    assert index.ids == other.ids
    odd = np.arange(len(index)) % 2 == 1
    for options in ({}, {"biased": False}, {"allow": index.ids[::3]}, {"deny": index.ids[:9]}, {"allow": odd}):
        one, two = index.search(queries, k, **options), other.search(queries, k, **options)
        np.testing.assert_array_equal(one.scores, two.scores)
        if options.get("biased", True):  # without biases there are equal scores, in any order
            np.testing.assert_array_equal(one.codes, two.codes)
            np.testing.assert_array_equal(one.ids, two.ids)


def test_a_changed_index_answers_as_a_rebuilt_one() -> None:
    index = index_of()
    change_much(index)
    assert len(index) == len(index.ids) == len(index.vectors) == len(index.biases) == index.facts.n == 228
    assert index.ids[-4:] == ["i210", "i199", "i5", "i205"]
    np.testing.assert_array_equal(index.vectors[-2:], vectors_of(2, 3))
    np.testing.assert_array_equal(index.biases[-2:], bias_of(2, 8))
    other = rebuilt(index)
    assert_same_answers(index, other)
    assert_same_answers(index, other, len(index) // 3)
    everything = index.search(vectors_of(3, 9), len(index))
    np.testing.assert_array_equal(everything.ids, other.search(vectors_of(3, 9), len(index)).ids)
    assert index.searcher.rows.shape[0] == 200  # all that was by changes, not by building
    index.compact()
    assert index.searcher.rows.shape[0] == 228
    assert_same_answers(index, other)


@pytest.mark.parametrize("seed", range(3))
def test_any_changes_in_any_order(seed: int) -> None:
    draw, index = np.random.default_rng(seed), index_of(20)
    there: dict[str, tuple[Any, ...]] = dict(zip(index.ids, map(tuple, index.vectors), strict=True))
    for _ in range(60):
        action = draw.choice(["add", "update", "remove", "compact"], p=[0.4, 0.25, 0.3, 0.05])
        known = action != "add"
        names = [name for name in ids_of(0, 60) if (name in there) == known]
        ids = draw.permutation(names)[: draw.integers(0, 5)].tolist()
        if action == "compact":
            index.compact()
        elif action == "remove" and len(ids) < len(there):
            index.remove(ids)
            there = {name: vector for name, vector in there.items() if name not in ids}
        elif ids and action in {"add", "update"}:
            rows = draw.integers(-30, 30, (len(ids), DIM)).astype(np.float32)
            getattr(index, action)(rows, ids, bias=draw.integers(-600_000, 600_000, len(ids)) / 2048)
            there = {name: vector for name, vector in there.items() if name not in ids}
            there |= dict(zip(ids, map(tuple, rows), strict=True))
    assert index.ids == list(there)
    np.testing.assert_array_equal(index.vectors, np.array(list(there.values())))
    assert_same_answers(index, rebuilt(index), min(10, len(index) // 3))


@pytest.mark.parametrize("effort_rows", [1, 10**6], ids=["indexed", "beside"])
def test_a_graph_grows_without_losing_recall(monkeypatch: pytest.MonkeyPatch, effort_rows: int) -> None:
    monkeypatch.setattr("llmrec.retrieval.searchers.ROWS_PER_EFFORT", effort_rows)
    draw = np.random.default_rng(0)
    vectors, queries = draw.standard_normal((900, DIM)).astype(np.float32), draw.standard_normal((50, DIM))
    vectors[450] *= 1.3 * np.linalg.norm(vectors[:400], axis=1).max() / np.linalg.norm(vectors[450])
    index = ItemIndex.build(vectors[:400], range(400), kind="hnsw")
    for start in range(400, 900, 100):
        index.add(vectors[start : start + 100], range(start, start + 100))
        index.remove(range(start - 300, start - 250))
    assert isinstance(index.searcher, GraphSearcher)
    assert index.searcher.faiss_index.ntotal == (900 if effort_rows == 1 else 400)
    exact = ItemIndex.build(index.vectors, index.ids, kind="flat").search(queries, 10)
    result = index.search(queries, 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(result.ids, exact.ids, strict=True)]) >= 9.8
    assert {int(name) for name in result.ids.ravel()} <= set(map(int, index.ids))
    few = index.ids[::7]
    np.testing.assert_array_equal(
        index.search(queries, 10, allow=few).ids,
        ItemIndex.build(index.vectors, index.ids).search(queries, 10, allow=few).ids,
    )


def test_a_row_longer_than_all_others_makes_a_new_graph(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("llmrec.retrieval.searchers.ROWS_PER_EFFORT", 0)
    index = index_of(kind="hnsw")
    vectors, copied = index.vectors, index.vectors.copy()
    with caplog.at_level(logging.INFO):
        index.add(1000 * np.ones((1, DIM)), ["long"], bias=[1])
    assert "item index: rebuilt as hnsw after 1 rows were added and 0 removed" in caplog.text
    assert index.search(np.ones(DIM), 1).ids.tolist() == [["long"]]
    np.testing.assert_array_equal(vectors, copied)  # although they were in the memory of the graph that is gone


def about_centroids(n: int) -> Float32s:
    """Vectors about thirty centroids."""
    draw = np.random.default_rng(0)
    centroids = draw.standard_normal((30, DIM))
    return (centroids[draw.integers(0, 30, n)] + 0.3 * draw.standard_normal((n, DIM))).astype(np.float32)


def centroids_of(index: VectorIndex) -> Float32s:
    centroids: Float32s = faiss.downcast_index(index.searcher.faiss_index.quantizer).reconstruct_n(0, 10)
    return centroids


def test_lists_take_what_is_added_and_leave_out_what_is_removed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without new centroids, until there are far more rows, or a person is forgotten."""
    monkeypatch.setattr("llmrec.retrieval.list_searchers.FEW_ROWS", 20)
    monkeypatch.setattr(growth_module, "FEW_REMOVED", 30)
    caplog.set_level(logging.INFO)
    vectors, queries = about_centroids(1600), about_centroids(1650)[1600:]
    index = ItemIndex.build(vectors[:600], range(600), kind="ivf-flat")
    people = UserIndex.build(vectors[:600], range(600), kind="ivf-flat")
    centroids = centroids_of(index)
    index.add(vectors[600:700], range(600, 700))
    assert len(index.searcher.rows) == 700
    index.remove(range(0, 300))
    assert "item index: extended as ivf-flat after 0 rows were added and 300 removed" in caplog.text
    np.testing.assert_array_equal(centroids_of(index), centroids)
    for allowed in (None, np.arange(400) % 3 == 0):
        exact = ItemIndex.build(vectors[300:700], range(300, 700), kind="flat").search(queries, 10, allow=allowed)
        result = index.search(queries, 10, allow=allowed)
        assert np.mean([len(set(a) & set(b)) for a, b in zip(result.ids, exact.ids, strict=True)]) >= 9.8
    people.remove(range(0, 300))
    assert "user index: rebuilt as ivf-flat" in caplog.text
    index.add(vectors[700:], range(700, 1600))
    assert "item index: rebuilt as ivf-flat after 900 rows were added" in caplog.text
    assert index.ids == [str(number) for number in range(300, 1600)]


def test_a_change_that_waits_for_a_long_building_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth_module, "LONG_SECONDS", 0.0)
    index = index_of(kind="hnsw")
    index.remove(["i1"])
    index.compact()
    assert "hnsw is built anew of 199 rows, about" in caplog.text
    assert "changes wait for it, searches do not" in caplog.text


def test_it_is_rebuilt_once_much_is_removed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(growth_module, "FEW_REMOVED", 50)
    index = index_of()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        index.remove(ids_of(0, 50))
        assert not caplog.text
        index.remove(["i60"])
    assert "item index: rebuilt as flat after 0 rows were added and 51 removed" in caplog.text
    assert len(index.searcher.rows) == 149
    monkeypatch.setattr("llmrec.retrieval.searchers.FLAT_ADDED", 5)
    index.add(vectors_of(150), ids_of(300, 450), bias=bias_of(150))
    assert len(index.searcher.rows) == 299


BAD: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "there": ("add", (np.ones((2, DIM)), ["x", "i7"]), {"bias": [1, 1]}, "item 'i7' is in this index already"),
    "add twice": ("add", (np.ones((2, DIM)), ["x", "x"]), {"bias": [1, 1]}, "item 'x' is there twice"),
    "update twice": ("update", (np.ones((2, DIM)), [7, "7"]), {"bias": [1, 1]}, "item '7' is there twice"),
    "unknown": ("update", (np.ones((1, DIM)), ["x"]), {"bias": [1]}, "'x' is not in this index of 200 items"),
    "remove unknown": ("remove", (["i1", "x"],), {}, "item 'x' is not in this index of 200 items; add it"),
    "remove twice": ("remove", (["i1", "i1"],), {}, "item 'i1' is there twice"),
    "remove text": ("remove", ("i1",), {}, "a list of ids is meant"),
    "remove all": ("remove", (ids_of(0, 200),), {}, "at least one item, and these are all 200"),
    "NaN": ("add", (np.full((1, DIM), np.nan), ["x"]), {"bias": [1]}, "row 0 holds NaN or infinity"),
    "NaN bias": ("add", (np.ones((1, DIM)), ["x"]), {"bias": [np.inf]}, "row 0 holds NaN or infinity"),
    "width": ("add", (np.ones((1, 3)), ["x"]), {"bias": [1]}, "a vector has 3 numbers, those of this index 8"),
    "no bias": ("add", (np.ones((1, DIM)), ["x"]), {}, "of this index have biases; give one for each"),
    "biases": ("add", (np.ones((1, DIM)), ["x"]), {"bias": [1, 2]}, "biases of shape"),
    "ids": ("add", (np.ones((2, DIM)), ["x"]), {"bias": [1, 2]}, "1 item ids for 2 vectors"),
    "no id": ("add", (np.ones((1, DIM)), [None]), {"bias": [1]}, "an id is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_changes_change_nothing(name: str) -> None:
    action, given, options, message = BAD[name]
    index = index_of()
    with pytest.raises(DataError, match=message) as refusal:
        getattr(index, action)(*given, **options)
    assert "\n" not in str(refusal.value)
    assert index.ids == ids_of(0, 200)
    assert_same_answers(index, index_of())


def test_users_have_no_biases() -> None:
    index = UserIndex.build(np.eye(3), ["a", "b", "c"])
    with pytest.raises(DataError, match="the users of this index have no biases; leave bias out"):
        index.add(np.ones((1, 3)), ["d"], bias=[1])
    index.add(2 * np.ones((1, 3)), ["d"])
    index.remove({"a", "c"})
    index.remove([])
    assert index.ids == ["b", "d"]
    assert index.search(np.eye(3)[0], 2).ids.tolist() == [["d", "b"]]
    assert index.facts.n == 2


def test_a_copy_stays_as_it_is() -> None:
    index = index_of()
    change_much(index)
    copy, before = index.copy(), rebuilt(index)
    index.add(vectors_of(40, 4), ids_of(300, 340), bias=bias_of(40))
    copy.add(vectors_of(1, 5), ["other"], bias=[0])
    index.remove(ids_of(120, 160))
    copy.remove(["other"])
    assert_same_answers(copy, before)
    assert_same_answers(index, rebuilt(index))


def test_searches_see_changes_whole_and_at_once() -> None:
    """Pairs of equal vectors come and go together: no search sees half a pair, or one that was removed before."""
    index, faults = index_of(), []
    removed: set[str] = set()
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            gone = set(removed)
            ids = index.search(np.ones(DIM), 6).ids[0].tolist()
            pairs = [name[:-1] for name in ids if name.startswith("p")]
            if gone & set(ids) or any(pairs.count(name) != 2 for name in pairs):
                faults.append(ids)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(150):
        pair = [f"p{number}a", f"p{number}b"]
        index.add(np.full((2, DIM), 100.0), pair, bias=[0, 0])
        assert set(index.search(np.ones(DIM), 2).ids[0]) == set(pair)
        index.remove(pair)
        removed.update(pair)
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert index.ids == ids_of(0, 200)
    assert isinstance(index.searcher, FlatSearcher)
