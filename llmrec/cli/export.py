"""``llmrec export``: a run's vectors of items or users, or its model, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from llmrec.cli.arguments import BasePath, Run
from llmrec.cli.output import say
from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.models.llm.export import ExportForm
    from llmrec.retrieval import ItemIndex, UserIndex

QDRANT, ONNX = "qdrant", "onnx"
# Those of llmrec.models.llm.export, which takes long to import.
LLM_FORMS = ("peft", "transformers", "gguf", "sentence-transformers", "sentence-transformers-users")
MODEL_FORMS = (*LLM_FORMS, ONNX)


def export(
    run: Run,
    items: Annotated[bool, typer.Option("--items", help="The items' vectors, with their biases.")] = False,
    users: Annotated[bool, typer.Option("--users", help="The vectors of all users that the run knows.")] = False,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="Vectors: parquet, numpy, faiss or qdrant. What encodes histories: onnx. An LLM: peft (the "
            "adapter), transformers (merged), gguf (merged, for llama.cpp), or sentence-transformers (the encoder "
            "of item texts; sentence-transformers-users: of histories).",
        ),
    ] = "parquet",
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; users as faiss go to RUN.users by default.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", help="As faiss: flat, hnsw, ivf-flat, ivf-pq, or auto by size and memory.")
    ] = "auto",
    url: Annotated[
        str | None, typer.Option("--url", help="As qdrant: a server, http://HOST:6333, instead of --out.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="As qdrant: its name, by default RUN-items or RUN-users.")
    ] = None,
    llama_cpp: Annotated[
        Path | None,
        typer.Option("--llama-cpp", envvar="LLAMA_CPP", help="As gguf: llama.cpp's folder, else the PATH."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="As onnx: multiply matrices in 8 bits, which costs accuracy.")
    ] = False,
    base: BasePath = None,
) -> None:
    """Write a run's vectors, or its model, for other programs.

    The inner product of vectors is the model's score: items are (vector, bias), users (vector, 1). An index as
    faiss is opened by llmrec.ItemIndex.open or UserIndex.open, that of RUN.users also by the run. Without --items
    and --users it is the LLM that is written, or as onnx what encodes histories.
    """
    _check(items=items, users=users, to=to, kind=kind, int8=int8)
    _check_qdrant(to, url=url, collection=collection, out=out)
    if to == ONNX:
        return _export_onnx(run, out, base, int8=int8)
    if to in LLM_FORMS:
        return _export_llm(run, to, out, base, llama_cpp)
    if to == QDRANT:
        return _export_qdrant(run, items=items, out=out, url=url, collection=collection, base=base)
    return _export_vectors(run, to, out, kind, base, items=items)


def _export_vectors(run: Path, to: str, out: Path | None, kind: str, base: Path | None, *, items: bool) -> None:
    from llmrec.retrieval.export import export_vectors
    from llmrec.retrieval.index_files import users_of

    folder = _new_folder(users_of(run) if out is None and not items and to == "faiss" else out)
    kind = kind if to == "faiss" else "flat"  # a table needs no graph
    index = _items_of(run, kind, base) if items else _users_of(run, kind, base)
    export_vectors(index, folder, to)
    say(f"{folder}: {index}")


def _new_folder(out: Path | None) -> Path:
    """Return the folder to write. Raises DataError where none is named and where it exists."""
    if out is None:
        raise DataError("say where to write: --out DIR")
    if out.exists():
        raise DataError(f"{out} exists already; name another --out, or remove it")
    return out


def _check(*, items: bool, users: bool, to: str, kind: str, int8: bool) -> None:
    """Raise DataError for options that do not go together."""
    from llmrec.retrieval.export import FORMS

    forms = [*FORMS, QDRANT]
    if int8 and to != ONNX:
        raise DataError("--int8 is of onnx: add --to onnx, or leave it out")
    if to not in (*forms, *MODEL_FORMS):
        raise DataError(f"--to {to}: there are {', '.join(forms)} for vectors, and {', '.join(MODEL_FORMS)}")
    if to in MODEL_FORMS and (items or users):
        raise DataError(f"--to {to} is of a run's model, not of vectors: leave out --items and --users")
    if to in forms and items == users:
        raise DataError(f"say which vectors go to {to}: either --items or --users")
    if kind != "auto" and to != "faiss":
        raise DataError(f"--kind {kind} is of an index: add --to faiss, or leave it out")


def _check_qdrant(to: str, *, url: str | None, collection: str | None, out: Path | None) -> None:
    """Raise DataError for options of Qdrant that do not go together."""
    if to != QDRANT and (url is not None or collection is not None):
        raise DataError("--url and --collection are of Qdrant: add --to qdrant")
    if to == QDRANT and (url is None) == (out is None):
        raise DataError("say where Qdrant's collection goes: either --url http://HOST:6333, or --out DIR")


def _export_qdrant(
    run: Path, *, items: bool, out: Path | None, url: str | None, collection: str | None, base: Path | None
) -> None:
    """Write items with their columns, or users."""
    import polars as pl

    from llmrec.models.run_changes import current_items
    from llmrec.retrieval.qdrant import export_to_folder, export_to_server

    index = _items_of(run, "flat", base) if items else _users_of(run, "flat", base)
    payload = pl.DataFrame()
    if items:
        catalog = current_items(run)
        payload = catalog.table[catalog.codes(index.names)]
    name = collection or f"{run.resolve().name}-{'items' if items else 'users'}"
    if url is not None:
        export_to_server(index, url, collection=name, payload=payload)
    elif out is not None:
        export_to_folder(index, out, collection=name, payload=payload)
    say(f"{out or url}: collection {name}, {index}")


def _export_llm(run: Path, to: str, out: Path | None, base: Path | None, llama_cpp: Path | None) -> None:
    from llmrec.models.llm.export import export_run

    if out is None:
        raise DataError("say where to write: --out DIR")
    folder = export_run(run, out, to=cast("ExportForm", to), base=base, llama_cpp=llama_cpp)
    say(f"{folder}: {to}; its README.md says how it is loaded")


def _export_onnx(run: Path, out: Path | None, base: Path | None, *, int8: bool) -> None:
    from llmrec.models.onnx.export import export_onnx

    folder = export_onnx(run, _new_folder(out), int8=int8, base=base)
    say(f"{folder}: the encoder of histories and the items; its README.md says how they are used")


def _items_of(run: Path, kind: str, base: Path | None) -> ItemIndex:
    """Read the items' vectors from the run; of one that was fitted before runs held them, from its model."""
    from llmrec.models.runs import load_run, require_finished
    from llmrec.retrieval import ItemIndex
    from llmrec.retrieval.index_files import folder_of_vectors
    from llmrec.retrieval.kinds import choose
    from llmrec.retrieval.run_items import vectors_are_all

    require_finished(run)
    if folder_of_vectors(run) is None or not vectors_are_all(run):
        return load_run(run, base=base).item_index(kind).of_run(run)
    index = ItemIndex.open(run)
    facts = index.facts
    if choose(kind, facts.n, facts.width, bytes_per_item=facts.bytes_per_item).kind == "flat":
        return index
    return ItemIndex.build(index.vectors, index.ids, bias=index.biases, kind=kind, run=run)


def _users_of(run: Path, kind: str, base: Path | None) -> UserIndex:
    """Read the users' vectors beside the run, else compute them."""
    from llmrec.models.runs import load_run
    from llmrec.retrieval import UserIndex
    from llmrec.retrieval.index_files import users_of

    if users_of(run).is_dir():
        index = UserIndex.open(run)
        return UserIndex.build(index.vectors, index.ids, kind=kind, run=run)
    return load_run(run, base=base).user_index(kind=kind).of_run(run)
