"""``llmrec export``: what other programs read gives the model's scores and neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest
from pyarrow import parquet

from llmrec import ItemIndex, Recipe, Split, UserIndex
from llmrec.cli.app import run
from llmrec.errors import ArtifactError
from llmrec.models import Recommender, from_recipe
from llmrec.retrieval.index_files import run_fingerprint


@pytest.fixture(scope="module")
def fitted(toy_split: Split, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recommender]:
    """A run of a small SASRec, and its model."""
    values = {
        "model": "sasrec",
        "sequence": {"dim": 8, "max_items": 10},
        "train": {"epochs": 1, "batch_tokens": 120},
    }
    model = from_recipe(Recipe.of(values)).fit(toy_split.train)
    folder = tmp_path_factory.mktemp("export") / "run"
    model.save(folder)
    return folder, model


def exported(*words: str | Path) -> None:
    assert run(["export", *map(str, words)]) == 0


def test_products_of_exported_rows_are_scores(fitted: tuple[Path, Recommender], tmp_path: Path) -> None:
    folder, model = fitted
    scores = model.score(model.histories)
    for what in ("items", "users"):
        exported(folder, f"--{what}", "--to", "parquet", "--out", tmp_path / f"{what}-table")
        exported(folder, f"--{what}", "--to", "numpy", "--out", tmp_path / f"{what}-arrays")
    tables = [pl.read_parquet(tmp_path / f"{what}-table" / "vectors.parquet") for what in ("items", "users")]
    arrays = [np.load(tmp_path / f"{what}-arrays" / "vectors.npy") for what in ("items", "users")]
    for items, users in (arrays, [table["vector"].to_numpy() for table in tables]):
        np.testing.assert_allclose(users @ items.T, scores, rtol=1e-4, atol=1e-4)
    assert tables[0]["item_id"].to_list() == np.load(tmp_path / "items-arrays" / "ids.npy").tolist()
    assert tables[0]["item_id"].to_list() == model.catalog.ids
    assert tables[1]["user_id"].to_list() == list(model.histories.user_ids)
    metadata = parquet.read_metadata(tmp_path / "items-table" / "vectors.parquet").metadata
    assert "inner product" in json.loads(metadata[b"llmrec"])["score"]


def test_an_exported_index_is_read_by_faiss_and_by_us(fitted: tuple[Path, Recommender], tmp_path: Path) -> None:
    folder, model = fitted
    exported(folder, "--items", "--to", "faiss", "--out", tmp_path / "flat")
    exported(folder, "--items", "--to", "faiss", "--kind", "hnsw", "--out", tmp_path / "graph")
    users = model.embed_users(model.histories)
    assert users is not None
    expected = np.argsort(-model.score(model.histories), axis=1)[:, :3]
    for kind in ("flat", "graph"):
        codes = ItemIndex.open(tmp_path / kind, run=folder).search(users, 3).codes
        np.testing.assert_array_equal(codes, expected)
    queries = np.concatenate([users, np.ones((len(users), 1), dtype=np.float32)], axis=1)
    index = faiss.read_index(str(tmp_path / "flat" / "index.faiss"))
    np.testing.assert_array_equal(index.search(queries, 3)[1], expected)


def test_users_beside_a_run_are_opened_by_it(
    fitted: tuple[Path, Recommender], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, model = fitted
    exported(folder, "--users", "--to", "faiss")
    index = UserIndex.open(folder)
    assert index.facts.run == run_fingerprint(folder)
    result = index.search(index.vectors[:2], 1, biased=False)
    assert index.ids == list(model.histories.user_ids)
    assert result.scores.shape == (2, 1)
    exported(folder, "--users", "--to", "numpy", "--out", tmp_path / "again")  # from there
    np.testing.assert_array_equal(np.load(tmp_path / "again" / "vectors.npy")[:, :-1], index.vectors)
    assert "users of 8 numbers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "either --items or --users"),
        (["--items", "--users"], "either --items or --users"),
        (["--items"], "say where to write: --out DIR"),
        (
            ["--items", "--to", "csv", "--out", "new"],
            "--to csv: there are parquet, numpy, faiss, qdrant for vectors",
        ),
        (
            ["--users", "--to", "peft", "--out", "new"],
            "is of a run's model, not of vectors: leave out --items",
        ),
        (["--items", "--kind", "hnsw", "--out", "new"], "--kind hnsw is of an index: add --to faiss"),
        (["--to", "peft", "--kind", "hnsw", "--out", "new"], "--kind hnsw is of an index: add --to faiss"),
        (["--items", "--out", "."], "exists already"),
        (["--items", "--to", "faiss", "--kind", "tree", "--out", "new"], "no index of kind 'tree'"),
    ],
)
def test_what_is_refused(
    fitted: tuple[Path, Recommender],
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert run(["export", str(fitted[0]), *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not list(tmp_path.iterdir())


def test_many_vectors_get_lists_only_in_an_index(
    fitted: tuple[Path, Recommender],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("llmrec.retrieval.kinds.FLAT_UP_TO", 3)
    caplog.set_level("INFO")
    for what in ("--items", "--users"):
        exported(fitted[0], what, "--out", tmp_path / f"table{what}")
    assert "user index: flat; 30 users" in caplog.text
    assert "ivf" not in caplog.text
    exported(fitted[0], "--items", "--to", "faiss", "--out", tmp_path / "index")
    assert ItemIndex.open(tmp_path / "index").facts.kind == "ivf-flat"
    exported(fitted[0], "--items", "--to", "faiss", "--kind", "flat", "--out", tmp_path / "flat")
    assert ItemIndex.open(tmp_path / "flat").facts.kind == "flat"


def test_exported_vectors_are_no_index(fitted: tuple[Path, Recommender], tmp_path: Path) -> None:
    exported(fitted[0], "--items", "--out", tmp_path / "table")
    with pytest.raises(ArtifactError, match="holds exported vectors, which are no index; open the run, or export"):
        ItemIndex.open(tmp_path / "table")


def test_a_model_without_vectors(toy_split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from_recipe(Recipe(model="popularity")).fit(toy_split.train).save(tmp_path / "run")
    for what in ("--items", "--users"):
        assert run(["export", str(tmp_path / "run"), what, "--out", str(tmp_path / "new")]) == 2
        assert "popularity models have no" in capsys.readouterr().err
