"""Find the base model that a run was trained on, wherever it lies now: by its identity, before it is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from llmrec.errors import ArtifactError, ModelError
from llmrec.llm.bases import PINNED, Base, absolute_path, find_base
from llmrec.llm.hub import hub_folder
from llmrec.llm.local_model import LocalModel, local_model
from llmrec.resources.wheels import source_of

# Folders that hold base models, separated as in PATH.
SEARCHED = "LLMREC_BASES"
LONGEST = 60  # of an identity in a message: a large model has many files


def recorded_base(recorded: Mapping[str, str], run: Path, *, given: Sequence[Path] = ()) -> Base:
    """Return the base that a run's manifest records by ``name``, ``identity`` and, of a hub, ``revision``.

    ``given``: where it lies now; it is looked for nowhere else then. By default it is looked for where it was,
    beside the run, and in the folders of LLMREC_BASES. A folder's name is never asked of a hub. Raises
    ArtifactError where it is not there, or another model is; nothing is loaded before.
    """
    name, identity, revision = recorded["name"], recorded["identity"], recorded.get("revision")
    if given:
        return _first([absolute_path(path) for path in given], recorded, run)
    if name in PINNED:
        if identity != source_of(name):
            raise ArtifactError(f"{run} was trained on another '{name}': {identity}, here it is {source_of(name)}")
        return find_base(name)
    if revision is None:
        return _first(_candidates(name, run), recorded, run)
    folder, _ = hub_folder(name, revision, advice=f"{run} was trained on it: say where it is by --base PATH")
    base = _first([folder], recorded, run)
    return Base(name, base.location, identity, revision)


def _first(paths: Iterable[Path], recorded: Mapping[str, str], run: Path) -> Base:
    """Return the first of the paths that is the recorded model. Raises ArtifactError."""
    name, identity = recorded["name"], recorded["identity"]
    others: list[str] = []
    looked: list[str] = []
    for path in dict.fromkeys(paths):
        looked.append(str(path))
        try:
            model = local_model(path) if path.exists() else None
            if model is not None and _is_it(model, identity):
                return Base(str(path), str(model.folder(identity)), identity)
        except ModelError as error:
            others.append(str(error))
            continue
        if model is not None:
            others.append(f"{path} is {_shown(model.identity())}")
    advice = f"say where it is by --base PATH, or by {SEARCHED}=FOLDER"
    if others:
        raise ArtifactError(
            f"{run} was trained on another '{name}': {_shown(identity)}, but {others[0]}; {advice}"
        )
    raise ArtifactError(
        f"{run} was trained on the base model '{name}', which is not there: looked at {', '.join(looked)}; "
        f"{advice}"
    )


def _is_it(model: LocalModel, identity: str) -> bool:
    return model.may_be(identity) and model.identity() == identity


def _candidates(name: str, run: Path) -> Iterator[Path]:
    """Yield where a folder or file may be: where it was, beside the run, and what the searched folders hold."""
    path, beside = Path(name).expanduser(), absolute_path(run).parent
    if path.is_absolute():
        yield path
    else:
        yield beside / path
        yield absolute_path(path)
    yield beside / path.name
    folders = [absolute_path(folder) for folder in os.environ.get(SEARCHED, "").split(os.pathsep) if folder]
    for folder in folders:
        yield folder / path.name
    for folder in filter(Path.is_dir, folders):
        yield from (one for one in (folder, *sorted(folder.iterdir())) if _holds_model(one))


def _holds_model(path: Path) -> bool:
    if path.is_dir():
        return (path / "config.json").is_file() or any(path.glob("*.gguf"))
    return path.suffix.lower() == ".gguf"


def _shown(identity: str) -> str:
    return identity if len(identity) <= LONGEST else f"{identity[:LONGEST]}…"
