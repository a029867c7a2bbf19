"""Fetch a model of a hub into the hub's cache: one question whether it is in reach, no code, no retries."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from llmrec.errors import ModelError
from llmrec.resources.bounded import read_json

log = logging.getLogger(__name__)

SECONDS = 10.0  # to wait for the hub's first answer
# No code, no training state; of subfolders only the modules of a sentence encoder.
_FETCHED = re.compile(
    r"(\d+_[^/]+/)?([^/]+\.(json|txt|model|jinja|safetensors|gguf)|pytorch_model[^/]*\.bin|tokenizer[^/]*)"
)
WEIGHTS = (".safetensors", ".bin", ".gguf")
_HUB_ID = re.compile(r"(?=.{1,96}$)\w[\w.-]*(/\w[\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a hub's model ids."""
    return _HUB_ID.fullmatch(name) is not None


def hub_folder(name: str, revision: str | None = None, *, advice: str) -> tuple[Path, str]:
    """Return the folder of a hub's model, without its code, and the commit that it is of.

    ``revision``: the commit that is wanted; by default the newest, or the newest in the cache where the hub is out
    of reach. Raises ModelError, which ends in ``advice``: what to do where no hub has it.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    cached = _cached_folder(name, revision)
    if cached is not None and revision is not None:
        return cached, revision
    try:
        info = HfApi().model_info(name, revision=revision, timeout=SECONDS)
        wanted = _wanted([one.rfilename for one in info.siblings or []])
        log.info("model %s: from the hub, commit %s", name, str(info.sha)[:12])
        # By the name that was asked for: the cache then knows which commit it means where the hub is out of reach.
        fetched = Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
        return fetched, fetched.name
    except Exception as error:  # of the hub's client, of its transport, of the disk
        if cached is not None and not isinstance(error, HfHubHTTPError):
            log.info("model %s: the hub is out of reach; from its cache", name)
            return cached, cached.name
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"there is no folder '{name}' here, and no hub in reach has a model of that name ({reason}); {advice}"
        ) from error


def _wanted(files: list[str]) -> list[str]:
    """Choose a repository's files: what loaders read, and of the weights in each folder one format."""
    readable = [file for file in files if _FETCHED.fullmatch(file)]
    wanted = [file for file in readable if not file.endswith(WEIGHTS)]
    for folder in dict.fromkeys(file.rpartition("/")[0] for file in readable):
        inside = [file for file in readable if file.rpartition("/")[0] == folder]
        formats = ([file for file in inside if file.endswith(ending)] for ending in WEIGHTS)
        weights = next(filter(None, formats), [])
        if len(weights) > 1 and weights[0].endswith(".gguf"):
            raise ValueError(f"it holds {len(weights)} GGUF files: download one of them and name that file")
        wanted += weights
    return wanted


def _cached_folder(name: str, revision: str | None) -> Path | None:
    """Return the folder of a model in the hub's cache: of a commit, or of the newest that was fetched."""
    from huggingface_hub import try_to_load_from_cache

    if revision is not None and not _COMMIT.fullmatch(revision):
        raise ModelError(f"model '{name}': '{revision}' is no commit of a hub")
    config = try_to_load_from_cache(name, "config.json", revision=revision)
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder is not None and _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    """Whether a folder holds weights, all parts of them: a fetch may have been interrupted."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        parts = read_json(index).get("weight_map", {}).values()
        return all((folder / part).is_file() for part in parts)
    return any(file.suffix in WEIGHTS for file in folder.iterdir())
