"""The index of items against a sort of all inner products; what it refuses; what its files hold."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.sealed import seal

from llmrec.arrays import Float32s, Int64s
from llmrec.errors import ArtifactError, DataError
from llmrec.retrieval import ItemIndex, UserIndex
from llmrec.retrieval.exact import exact_search
from llmrec.retrieval.kinds import choose, memory_bytes
from llmrec.retrieval.searcher import MATRIX_NUMBERS, MATRIX_NUMBERS_OF_FAISS, untyped_faiss
from llmrec.retrieval.searchers import MOST_EFFORT

N, DIM = 400, 12
KINDS = ("flat", "hnsw", "ivf-flat")


def clustered(n: int = N, *, seed: int = 0) -> tuple[Float32s, Float32s]:
    """Vectors about 20 centroids, with biases that change who is nearest."""
    draw = np.random.default_rng(seed)
    centroids = draw.standard_normal((20, DIM))
    vectors = centroids[draw.integers(0, 20, n)] + 0.3 * draw.standard_normal((n, DIM))
    return vectors.astype(np.float32), (2 * draw.standard_normal(n)).astype(np.float32)


def ids_of(n: int = N) -> list[str]:
    return [f"i{number}" for number in range(n)]


def queries_of(n: int = 30) -> Float32s:
    return clustered(n, seed=1)[0]


def sorted_codes(scores: Float32s, k: int) -> Int64s:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall(codes: Int64s, exact: Int64s) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(codes, exact, strict=True)]))


@pytest.fixture(scope="module")
def indexes() -> dict[str, ItemIndex]:
    vectors, bias = clustered()
    return {kind: ItemIndex.build(vectors, ids_of(), bias=bias, kind=kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_it_finds_the_highest_products_with_biases(indexes: dict[str, ItemIndex], kind: str) -> None:
    vectors, bias = clustered()
    scores = queries_of() @ vectors.T + bias
    result = indexes[kind].search(queries_of(), 10)
    assert recall(result.codes, sorted_codes(scores, 10)) >= (1.0 if kind == "flat" else 0.98)
    np.testing.assert_allclose(result.scores, np.take_along_axis(scores, result.codes, 1), rtol=1e-4, atol=1e-4)
    assert (np.diff(result.scores, axis=1) <= 1e-5).all()
    assert result.ids[3].tolist() == [f"i{code}" for code in result.codes[3]]
    without = indexes[kind].search(queries_of()[0], 10, biased=False)
    assert recall(without.codes, sorted_codes(queries_of()[:1] @ vectors.T, 10)) >= 0.9
    assert (without.codes[0] != result.codes[0]).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.03, 0.5, 0.95])
def test_a_filter_loses_no_result(indexes: dict[str, ItemIndex], kind: str, share: float) -> None:
    vectors, bias = clustered()
    mask = np.random.default_rng(2).random(N) < share
    scores = np.where(mask, queries_of() @ vectors.T + bias, -np.inf)
    result = indexes[kind].search(queries_of(), 10, allow=mask)
    assert mask[result.codes].all()
    assert recall(result.codes, sorted_codes(scores, 10)) >= (1.0 if kind == "flat" else 0.98)
    ids = [name for name, allowed in zip(ids_of(), mask, strict=True) if allowed]
    np.testing.assert_array_equal(indexes[kind].search(queries_of(), 10, allow=ids).codes, result.codes)
    best = result.ids[0, 0]
    denied = indexes[kind].search(queries_of()[0], 9, allow=mask, deny=[best])
    np.testing.assert_array_equal(denied.ids[0], result.ids[0, 1:])


def test_short_codes_come_with_their_recall(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vectors, bias = clustered(10_500)
    index = ItemIndex.build(vectors, range(10_500), bias=bias, kind="ivf-pq", bytes_per_item=4)
    scores = queries_of() @ vectors.T + bias
    reached = recall(index.search(queries_of(), 10).codes, sorted_codes(scores, 10))
    assert index.facts.recall_at_10 is not None
    assert reached > 0.8
    assert abs(reached - index.facts.recall_at_10) < 0.15
    mask = np.arange(10_500) % 2 == 0
    half = index.search(queries_of(), 10, allow=mask)
    assert mask[half.codes].all()
    rare = index.search(queries_of(), 10, allow=np.arange(10_500) % 100 == 0)
    exact = sorted_codes(np.where(np.arange(10_500) % 100 == 0, scores, -np.inf), 10)
    np.testing.assert_array_equal(rare.codes, exact)
    index.save(tmp_path / "index")
    assert index.facts.memory_bytes < 0.5 * vectors.nbytes
    opened = ItemIndex.open(tmp_path / "index")
    assert isinstance(opened.searcher.rows, np.memmap)
    np.testing.assert_array_equal(opened.search(queries_of(), 10).codes, index.search(queries_of(), 10).codes)
    removed = np.unique(index.search(queries_of(), 3).ids).tolist()
    index.remove(removed)
    index.add(queries_of()[:2], ["new", "newer"], bias=[100, 90])
    changed = index.search(queries_of(), 10)
    assert set(changed.ids[:, 0]) <= {"new", "newer"}
    assert not set(removed) & set(changed.ids.ravel())
    flat = ItemIndex.build(index.vectors, index.ids, bias=index.biases, kind="flat")
    assert recall(changed.codes, flat.search(queries_of(), 10).codes) > 0.8
    with caplog.at_level(logging.INFO):
        index.compact()
    assert "item index: extended as ivf-pq after 2 rows were added" in caplog.text
    assert recall(index.search(queries_of(), 10).codes, flat.search(queries_of(), 10).codes) > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_after_saving(indexes: dict[str, ItemIndex], kind: str, tmp_path: Path) -> None:
    indexes[kind].save(tmp_path / "index")
    opened = ItemIndex.open(tmp_path / "index")
    assert opened.facts == indexes[kind].facts
    assert opened.ids == ids_of()
    for part in (indexes[kind].search(queries_of(), 5), opened.search(queries_of(), 5)):
        np.testing.assert_array_equal(part.codes, indexes[kind].search(queries_of(), 5).codes)
    np.testing.assert_allclose(opened.vectors, clustered()[0], rtol=1e-6)
    np.testing.assert_allclose(opened.biases, clustered()[1], rtol=1e-6)
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["index"]["kind"] == kind
    assert manifest["index"]["metric"] == "inner product"
    assert manifest["index"]["recall_at_10"] >= 0.98
    assert "index.faiss" in manifest["files"]
    with pytest.raises(ArtifactError, match="exists already"):
        indexes[kind].save(tmp_path / "index")


def test_the_kind_follows_size_and_memory() -> None:
    assert choose("auto", 50_000, 129, bytes_per_item=16).kind == "flat"
    needed = memory_bytes("ivf-flat", 10**6, 129, bytes_per_item=16)
    assert choose("auto", 10**6, 129, bytes_per_item=16, free=4 * needed).kind == "ivf-flat"
    codes = choose("auto", 10**6, 129, bytes_per_item=16, free=needed)
    assert codes.kind == "ivf-pq"
    assert "GiB" in codes.reason
    with pytest.raises(DataError, match="no index of kind 'tree'; there are auto, flat, hnsw, ivf-flat, ivf-pq"):
        choose("tree", 5, 5, bytes_per_item=16)


NAN = np.array([[0.0, 1.0], [np.nan, 2.0]])
BAD: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "NaN": (NAN, ["a", "b"], {}, "row 1 holds NaN or infinity"),
    "ids twice": (np.eye(2), ["a", "a"], {}, "item 'a' is there twice"),
    "too few ids": (np.eye(2), ["a"], {}, "1 item ids for 2 vectors"),
    "biases": (np.eye(2), ["a", "b"], {"bias": [1.0]}, "biases of shape"),
    "no table": (np.ones(3), ["a", "b", "c"], {}, "n rows and dim columns"),
    "nothing": (np.ones((0, 3)), [], {}, "n rows and dim columns"),
    "words": ([["x", "y"]], ["a"], {}, "give an array of numbers"),
    "text for ids": (np.eye(4), "abcd", {}, "a list of ids is meant"),
    "few": (np.eye(4), list("abcd"), {"kind": "ivf-pq"}, "at least 9,984 vectors"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_vectors_and_ids(name: str) -> None:
    vectors, ids, options, message = BAD[name]
    with pytest.raises(DataError, match=message) as refusal:
        ItemIndex.build(vectors, ids, **options)
    assert "\n" not in str(refusal.value)


def test_an_index_is_its_own(tmp_path: Path) -> None:
    vectors = np.eye(4, dtype=np.float32)
    index = ItemIndex.build(vectors, ["a", "b", "c", "d"])
    vectors[:] = 0
    assert index.search(np.eye(4)[2], 1, allow={"a", "c"}).ids.tolist() == [["c"]]


def test_bad_questions(indexes: dict[str, ItemIndex]) -> None:
    index = indexes["flat"]
    with pytest.raises(DataError, match="k is 401, but only 400 of 400 items are left; ask for at most 400"):
        index.search(queries_of(), 401)
    with pytest.raises(DataError, match="k is 3, but only 2 of 400 items are left"):
        index.search(queries_of(), 3, allow=["i1", "i2"])
    with pytest.raises(DataError, match="deny: item 'x' is not in this index of 400 items"):
        index.search(queries_of(), 3, deny=["x"])
    with pytest.raises(DataError, match="a query has 3 numbers, the vectors of this index 12"):
        index.search(np.ones(3), 3)
    with pytest.raises(DataError, match="NaN"):
        index.search(np.full(DIM, np.nan), 3)


def test_folders_that_are_no_index_of_items(indexes: dict[str, ItemIndex], tmp_path: Path) -> None:
    UserIndex.build(np.eye(3), ["a", "b", "c"]).save(tmp_path / "users")
    with pytest.raises(ArtifactError, match="holds an index of users, not of items; open it by UserIndex"):
        ItemIndex.open(tmp_path / "users")
    indexes["hnsw"].save(tmp_path / "hnsw")
    file = tmp_path / "hnsw" / "index.faiss"
    content = file.read_bytes()
    file.write_bytes(content[:-8])
    with pytest.raises(ArtifactError, match="its sha256 changed"):
        ItemIndex.open(tmp_path / "hnsw")
    seal(tmp_path / "hnsw")
    with pytest.raises(ArtifactError, match="damaged"):
        ItemIndex.open(tmp_path / "hnsw")
    file.write_bytes(content)
    path = tmp_path / "hnsw" / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"n": 400', '"n": 399'), encoding="utf-8")
    seal(tmp_path / "hnsw")
    with pytest.raises(ArtifactError, match="400 ids for 399 vectors"):
        ItemIndex.open(tmp_path / "hnsw")
    path.write_text(path.read_text(encoding="utf-8").replace('"kind": "hnsw"', '"kind": "tree"'), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"manifest.json is damaged \(kind"):
        ItemIndex.open(tmp_path / "hnsw")
    with pytest.raises(ArtifactError, match="there is no run at"):
        ItemIndex.open(tmp_path / "nowhere")


def test_equal_vectors_are_no_loss_of_recall() -> None:
    """Any of them is as good an answer as another: a graph is not searched the longer for them."""
    vectors = np.repeat(np.random.default_rng(3).standard_normal((20, 6)).astype(np.float32), 4, axis=0)
    index = ItemIndex.build(vectors, [f"i{n}" for n in range(len(vectors))], kind="hnsw")
    assert index.facts.recall_at_10 == 1.0
    assert index.facts.effort < MOST_EFFORT


@pytest.mark.parametrize(("found", "left"), [(MATRIX_NUMBERS_OF_FAISS, MATRIX_NUMBERS), (5, 5)])
def test_a_few_dozen_queries_are_multiplied_as_matrices_unless_chosen_otherwise(
    found: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untyped_faiss().cvar, "distance_compute_blas_threshold", found)
    untyped_faiss.cache_clear()
    assert untyped_faiss().cvar.distance_compute_blas_threshold == left


@pytest.mark.parametrize("n_queries", [1, 5, 30])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.6, 0.97, 1.0])
def test_exact_search_passes_what_is_not_allowed(
    n_queries: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a selection or a copy of the rows, part by part, of which one has none and one has few."""
    monkeypatch.setattr("llmrec.retrieval.exact.ROWS_AT_ONCE", 150)
    vectors, bias = clustered()
    rows = np.concatenate([vectors, bias[:, None]], axis=1)
    queries = np.concatenate([queries_of(n_queries), np.ones((n_queries, 1), dtype=np.float32)], axis=1)
    mask = np.random.default_rng(4).random(N) < share
    mask[:150], mask[151:158] = False, True
    codes, scores = exact_search(rows, queries, 7, allowed=mask)
    expected = np.where(mask, queries @ rows.T, -np.inf)
    np.testing.assert_array_equal(codes, sorted_codes(expected, 7))
    np.testing.assert_allclose(scores, np.take_along_axis(expected, codes, axis=1), rtol=1e-4)
