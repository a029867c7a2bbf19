"""Vectors with what is known of their items as a collection of Qdrant, on a server or in a local folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from llmrec.errors import ArtifactError, EnvironmentFault
from llmrec.resources.cache import appearing
from llmrec.retrieval.export import SCORE, scored_rows
from llmrec.retrieval.index import VectorIndex
from llmrec.runtime import extra

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

# Points of one request, and the environment variable with the key of a server.
BATCH, API_KEY = 512, "QDRANT_API_KEY"


def export_to_folder(index: VectorIndex, out: str | Path, *, collection: str, payload: pl.DataFrame) -> None:
    """Write a folder that ``QdrantClient(path=out)`` opens, whole or not at all. See ``write_collection``.

    Raises ArtifactError if it exists.
    """
    folder, client_of = Path(out), _client()
    if folder.exists():
        raise ArtifactError(f"{folder} exists already; choose another folder or remove it")
    with appearing(folder) as temporary:
        client = client_of(path=str(temporary))
        try:
            write_collection(client, index, collection, payload, filtered=False)
        finally:
            client.close()
        (temporary / ".lock").unlink(missing_ok=True)


def export_to_server(index: VectorIndex, url: str, *, collection: str, payload: pl.DataFrame) -> None:
    """Write a collection on the server at ``url``, whole or not at all. See ``write_collection``.

    Its key is read from QDRANT_API_KEY. Raises EnvironmentFault for a server that does not answer or refuses.
    """
    client = _client()(url=url, api_key=os.environ.get(API_KEY), check_compatibility=False)
    try:
        write_collection(client, index, collection, payload, filtered=True)
    except ArtifactError:
        raise
    except Exception as error:  # of httpx, grpc or Qdrant itself
        reason = " ".join(str(error).split())[:200]
        raise EnvironmentFault(
            f"Qdrant at {url}: {type(error).__name__}: {reason}; nothing is kept there"
        ) from error
    finally:
        client.close()


def write_collection(
    client: QdrantClient, index: VectorIndex, collection: str, payload: pl.DataFrame, *, filtered: bool
) -> None:
    """Make a collection whose products are the model's scores: items are (vector, bias), users (vector, 1).

    Point n is row n of the index, its payload the id and row n of ``payload``. With ``filtered`` every column is
    indexed before a point is written, so that the graph is made for filters. Raises ArtifactError if the
    collection exists; removes it again where writing fails.
    """
    from qdrant_client import models

    if client.collection_exists(collection):
        raise ArtifactError(
            f"Qdrant has a collection {collection} already; name another by --collection, or remove it"
        )
    rows, key = scored_rows(index), f"{index.noun}_id"
    table = payload.with_columns(index.names.alias(key)) if payload.width else index.names.alias(key).to_frame()
    size = models.VectorParams(size=rows.shape[1], distance=models.Distance.DOT)
    facts = {"score": SCORE, "run": index.facts.run}
    client.create_collection(collection, vectors_config=size, metadata=facts)
    try:
        for name, kind in _indexed(table) if filtered else ():
            client.create_payload_index(collection, name, field_schema=models.PayloadSchemaType(kind))
        points = (
            models.PointStruct(id=n, vector=rows[n].tolist(), payload=values)
            for n, values in enumerate(_rows(table))
        )
        client.upload_points(collection, points, batch_size=BATCH, wait=True)
    except BaseException:
        client.delete_collection(collection)
        raise


def _client() -> Any:
    return extra("qdrant_client", "qdrant").QdrantClient


def _indexed(table: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Return the columns that Qdrant can filter by, with their kinds."""
    for name, dtype in table.schema.items():
        inner = dtype.inner if isinstance(dtype, pl.List) else dtype
        if inner == pl.Boolean:
            yield name, "bool"
        elif inner.is_integer():
            yield name, "integer"
        elif inner.is_float():
            yield name, "float"
        elif inner == pl.String:
            yield name, "keyword"


def _rows(table: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Return each row's values that are there; dates as text."""
    temporal = [name for name, dtype in table.schema.items() if dtype.is_temporal()]
    for row in table.with_columns(pl.col(temporal).cast(pl.String)).iter_rows(named=True):
        yield {name: value for name, value in row.items() if value is not None}
