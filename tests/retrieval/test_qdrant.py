"""Export to Qdrant: the same neighbours and scores, filters by the catalog's columns, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec import Recipe, Split, load
from llmrec.cli.app import run
from llmrec.errors import ArtifactError
from llmrec.models import Recommender, from_recipe
from llmrec.retrieval import ItemIndex
from llmrec.retrieval.qdrant import write_collection

qdrant = pytest.importorskip("qdrant_client", reason="pip install 'llmrec[qdrant]'")


@pytest.fixture(scope="module")
def fitted(toy_split: Split, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recommender]:
    """A run of a small GRU, and its model."""
    values = {"model": "gru", "sequence": {"dim": 8, "max_items": 10}, "train": {"epochs": 1}}
    model = from_recipe(Recipe.of(values)).fit(toy_split.train)
    folder = tmp_path_factory.mktemp("qdrant") / "run"
    model.save(folder)
    return folder, model


def test_a_folder_has_the_neighbours_and_the_scores_of_the_model(
    fitted: tuple[Path, Recommender], tmp_path: Path
) -> None:
    folder, _ = fitted
    model, out = load(folder), tmp_path / "out"
    assert run(["export", str(folder), "--items", "--to", "qdrant", "--out", str(out)]) == 0
    client = qdrant.QdrantClient(path=str(out))
    users = model.embed_users(model.histories)
    assert users is not None
    query = np.append(users[0], 1.0).tolist()
    found = client.query_points("run-items", query=query, limit=5).points
    scores = model.score(model.histories[:1])[0]
    best = np.argsort(-scores)[:5]
    assert [point.payload["item_id"] for point in found] == [model.catalog.ids[code] for code in best]
    np.testing.assert_allclose([point.score for point in found], scores[best], rtol=1e-4, atol=1e-4)
    assert found[0].payload["title"] == model.catalog.titles[best[0]]
    one = qdrant.models.FieldCondition(key="item_id", match=qdrant.models.MatchValue(value="7"))
    only = client.query_points("run-items", query=query, query_filter=qdrant.models.Filter(must=[one])).points
    assert [point.payload["item_id"] for point in only] == ["7"]
    assert "inner product" in client.get_collection("run-items").config.metadata["score"]
    client.close()


def test_items_that_came_changed_and_went_since_are_written_as_they_are_now(
    fitted: tuple[Path, Recommender], tmp_path: Path
) -> None:
    folder, out = tmp_path / "run", tmp_path / "out"
    fitted[1].save(folder)
    (tmp_path / "rows.csv").write_text("item_id,title\n1,Another Name\n")
    assert run(["catalog", "update", str(folder), str(tmp_path / "rows.csv")]) == 0
    assert run(["catalog", "remove", str(folder), "--item", "0"]) == 0
    assert run(["export", str(folder), "--items", "--to", "qdrant", "--out", str(out)]) == 0
    client = qdrant.QdrantClient(path=str(out))
    payloads = [point.payload for point in client.scroll("run-items", limit=50)[0]]
    titles = dict(zip(fitted[1].catalog.ids, fitted[1].catalog.titles, strict=True))
    expected = {**titles, "1": "Another Name"}
    del expected["0"]
    assert {one["item_id"]: one["title"] for one in payloads} == expected
    client.close()


class Recorded:
    """A client that notes what it is asked to do, and fails while it uploads if it should."""

    def __init__(self, *, fails: bool = False, exists: bool = False) -> None:
        self.calls: list[tuple[str, object]] = []
        self.fails, self.exists = fails, exists

    def collection_exists(self, name: str) -> bool:
        return self.exists

    def create_collection(self, name: str, **_: object) -> None:
        self.calls.append(("create", name))

    def create_payload_index(self, name: str, field: str, *, field_schema: object) -> None:
        self.calls.append((field, getattr(field_schema, "value", None)))

    def upload_points(self, name: str, points: object, **_: object) -> None:
        if self.fails:
            raise ConnectionError("gone")
        self.calls.append(("points", len(list(points))))  # type: ignore[call-overload]

    def delete_collection(self, name: str) -> None:
        self.calls.append(("delete", name))


@pytest.fixture
def index() -> ItemIndex:
    """Three items."""
    return ItemIndex.build(np.eye(3, 2), ["a", "b", "c"], bias=[0.0, 1.0, 2.0])


def test_columns_are_indexed_before_points_are_written(index: ItemIndex) -> None:
    client = Recorded()
    payload = pl.DataFrame(
        {"price": [1.5, None, 2.0], "genres": [["x"], [], ["y"]], "in_stock": [True, False, True]}
    )
    write_collection(client, index, "films", payload, filtered=True)  # type: ignore[arg-type]
    assert client.calls == [
        ("create", "films"),
        ("price", "float"),
        ("genres", "keyword"),
        ("in_stock", "bool"),
        ("item_id", "keyword"),
        ("points", 3),
    ]


def test_nothing_is_left_of_an_upload_that_fails_and_nothing_is_overwritten(index: ItemIndex) -> None:
    client = Recorded(fails=True)
    with pytest.raises(ConnectionError):
        write_collection(client, index, "films", pl.DataFrame(), filtered=True)  # type: ignore[arg-type]
    assert client.calls[-1] == ("delete", "films")
    there = Recorded(exists=True)
    with pytest.raises(ArtifactError, match="has a collection films already"):
        write_collection(there, index, "films", pl.DataFrame(), filtered=True)  # type: ignore[arg-type]
    assert not there.calls


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--to", "qdrant"], 2, "either --url http://HOST:6333, or --out DIR"),
        (["--to", "qdrant", "--out", "EXISTS"], 2, "exists already"),
        (["--to", "numpy", "--out", "new", "--url", "http://localhost:1"], 2, "add --to qdrant"),
        (["--to", "qdrant", "--url", "http://127.0.0.1:1"], 1, "Qdrant at http://127.0.0.1:1"),
    ],
)
def test_what_does_not_go_is_one_line(
    fitted: tuple[Path, Recommender],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    words = [str(tmp_path) if word == "EXISTS" else word for word in words]
    capsys.readouterr()
    assert run(["export", str(fitted[0]), "--items", *words]) == code
    assert message in capsys.readouterr().err
