"""Runs on a model hub: pushed without the people they know, and read from there as from a folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from llmrec import artifact
from llmrec.artifact import MANIFEST
from llmrec.data.columns import USER
from llmrec.errors import ArtifactError, DataError, EnvironmentFault
from llmrec.llm.hub import is_hub_id
from llmrec.models.base import Recommender
from llmrec.models.forgetting import write_without
from llmrec.models.registry import load
from llmrec.models.run_files import BasePaths, read_events
from llmrec.models.runs import require_finished
from llmrec.resources.cache import appearing, cache_dir
from llmrec.retrieval.run_items import changes_of

OF_THE_HUB = ".gitattributes"  # which a hub adds to a repository
CARD = "README.md"


def push_to_hub(
    run: str | Path, repo_id: str, *, users: bool = False, private: bool = True, token: str | None = None
) -> str:
    """Upload a finished run to a hub's model repository, which is made where it is not there. Returns its address.

    Its README.md is the model card. The events of the people that the run knows stay here, unless ``users`` says
    otherwise: without them whoever loads it gives histories. ``token``: by default the one of ``hf auth login``.
    Raises ArtifactError for no whole run and one whose items were changed since, DataError for a name that is no
    repository's, for a repository of other files and, with ``users`` and ``private``, for one that is public
    already, EnvironmentFault where the hub refuses it or is out of reach.

    >>> push_to_hub("runs/auto", "owner/films", private=False)  # doctest: +SKIP
    """
    folder = Path(run)
    require_finished(folder)
    artifact.read(folder)
    if changes_of(folder).exists():
        raise ArtifactError(
            f"{changes_of(folder)} holds changes of items that {folder} is without: load the run, save it as "
            "another one and push that"
        )
    if not is_hub_id(repo_id) or "/" not in repo_id:
        raise DataError(f"'{repo_id}' is no name of a hub's repository: give OWNER/NAME")
    with tempfile.TemporaryDirectory() as temporary:
        shared = folder if users else _without_people(folder, Path(temporary) / "run")
        return _upload(shared, repo_id, private=private, users=users, token=token)


def from_pretrained(
    name: str | Path, *, revision: str | None = None, base: BasePaths | None = None, token: str | None = None
) -> Recommender:
    """Load a run from a folder, or from a hub's repository by its name, through the cache.

    ``revision``: a commit, tag or branch, by default the newest. ``base``: see ``load``. No code of the repository
    is run. Raises ArtifactError for no run of that name, and as ``load`` does.

    >>> from_pretrained("owner/films").recommend([["50", "181"]], k=5)  # doctest: +SKIP
    """
    if Path(name).exists() or not is_hub_id(str(name)):
        return load(name, base=base)
    return load(_fetched(str(name), revision, token), base=base)


def _without_people(run: Path, copy: Path) -> Path:
    """Write a run without the events of anybody."""
    people = read_events(run)[USER].unique().to_list()
    copy.mkdir()
    write_without(run, copy, people, len(people))
    return copy


def _upload(folder: Path, repo_id: str, *, private: bool, users: bool, token: str | None) -> str:
    from huggingface_hub import HfApi

    hub = HfApi(token=token)
    try:
        address = hub.create_repo(repo_id, private=private, exist_ok=True)
        _check_repository(hub.repo_info(repo_id), repo_id, private=private, users=users)
        hub.upload_folder(
            repo_id=repo_id, folder_path=folder, commit_message="A run of llmrec", delete_patterns="*"
        )
    except DataError:
        raise
    except Exception as error:  # of the hub's client, of its transport
        raise EnvironmentFault(f"{repo_id} was not pushed: {_reason(error)}") from error
    return str(address)


def _check_repository(there: Any, repo_id: str, *, private: bool, users: bool) -> None:
    """Raise DataError for a repository that was there before: of other files, or public where people go along."""
    if users and private and not there.private:
        raise DataError(
            f"{repo_id} is public already, and users=True sends people's events: give another name, or "
            "private=False"
        )
    files = {one.rfilename for one in there.siblings or ()} - {OF_THE_HUB}
    if files and MANIFEST not in files and files != {CARD}:
        raise DataError(f"{repo_id} holds other files, which a run would replace: give another name")


def _fetched(name: str, revision: str | None, token: str | None) -> Path:
    """Return the folder of the cache that holds a repository's run: plain files, as a run's must be."""
    from huggingface_hub import snapshot_download

    try:
        snapshot = Path(snapshot_download(name, revision=revision, token=token))
    except Exception as error:  # of the hub's client, of its transport, of the disk
        raise ArtifactError(
            f"there is no run {name} here, and no hub in reach has one ({_reason(error)}); name a folder, or "
            "OWNER/NAME"
        ) from error
    folder = cache_dir() / "runs" / f"{name.replace('/', '--')}-{snapshot.name}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with appearing(folder) as new:
            shutil.copytree(snapshot, new, ignore=shutil.ignore_patterns(OF_THE_HUB), dirs_exist_ok=True)
    return folder


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
