"""A causal LLM's files on this machine: a folder with config.json and weights, or one GGUF file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmrec.errors import ModelError
from llmrec.llm.gguf_files import converted_gguf
from llmrec.resources.bounded import UnreadableError, read_json
from llmrec.resources.cache import sha256_of

CONFIG, ADAPTER = "config.json", "adapter_config.json"
# What decides how texts are tokenized, besides the tokenizer's own files; weights stand between the two.
_WEIGHTS = ("*.safetensors", "*.bin")
_TOKENIZER = ("tokenizer.*", "tokenizer_config.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model")
_LFS = b"version https://git-lfs.github.com/spec/"
_SPLIT = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


@dataclass(frozen=True)
class LocalModel:
    """A model's folder; or a GGUF file, ``gguf``, with ``path`` that file or the folder that it is alone in."""

    path: Path
    gguf: Path | None = None

    def identity(self) -> str:
        """Say which weights and tokenizer these are, by their files' contents: the same wherever they lie."""
        if self.gguf is not None:
            return f"gguf sha256:{sha256_of(self.gguf)}"
        return "sha256:" + "+".join(sha256_of(file)[:16] for file in self._files())

    def may_be(self, identity: str) -> bool:
        """Whether ``identity`` could be this model's, by what takes no time to compare."""
        if self.gguf is not None:
            return identity.startswith("gguf ")
        return identity.startswith(f"sha256:{sha256_of(self.path / CONFIG)[:16]}")

    def folder(self, identity: str) -> Path:
        """Return the folder that loaders read; a GGUF file is converted first, once. Raises ModelError."""
        return self.path if self.gguf is None else converted_gguf(self.gguf, identity)

    def _files(self) -> list[Path]:
        # A copy by git may hold older formats, too, which loaders leave alone.
        newest = any(
            (self.path / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json")
        )
        weights = _WEIGHTS[:1] if newest else _WEIGHTS
        patterns = (*weights, "*.index.json", *_TOKENIZER)
        matching = [file for pattern in patterns for file in sorted(self.path.glob(pattern))]
        return list(dict.fromkeys([self.path / CONFIG, *matching]))


def local_model(path: Path) -> LocalModel:
    """Find the model at a path that exists. Raises ModelError where there is none that can be read as it is."""
    if path.is_file():
        return LocalModel(path, _checked_gguf(path))
    ggufs = [file for file in sorted(path.iterdir()) if file.suffix.lower() == ".gguf"]
    has_config, has_weights = (path / CONFIG).is_file(), any(_weights_in(path))
    if (path / ADAPTER).is_file():
        raise ModelError(
            f"{path} holds an adapter ({ADAPTER}), which is no model: merge it into its base model and save that"
        )
    if has_config and (has_weights or not ggufs):
        _check_folder(path)
        return LocalModel(path)
    if not ggufs:
        raise ModelError(f"{path} is not a model: it has no {CONFIG} and no GGUF file")
    if len(ggufs) > 1 and not _SPLIT.search(ggufs[0].name):
        raise ModelError(f"{path} holds {len(ggufs)} GGUF files: name one of them, e.g. {ggufs[0]}")
    return LocalModel(path, _checked_gguf(ggufs[0]))


def _checked_gguf(path: Path) -> Path:
    _check_pointer(path)
    split = _SPLIT.search(path.name)
    if split and int(split[1]) > 1:
        raise ModelError(
            f"{path} is one of {int(split[1])} parts: join them first, e.g. by llama.cpp's gguf-split"
        )
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path} is no GGUF file; name one, or a folder with {CONFIG} and weights")
    return path


def _weights_in(path: Path) -> Iterator[Path]:
    for pattern in _WEIGHTS:
        yield from path.glob(pattern)


def _check_folder(path: Path) -> None:
    """Raise ModelError for files that are not there yet, and for code that a config would fetch from a hub."""
    for file in [path / CONFIG, *_weights_in(path), *path.glob("tokenizer*")]:
        if file.is_file():
            _check_pointer(file)
    try:
        config = read_json(path / CONFIG)
    except (UnreadableError, OSError):
        return  # the loader says it
    for name in ("attn_implementation", "experts_implementation"):
        for key in (name, f"_{name}", f"_{name}_internal"):
            if "/" in str(_value(config, key)):
                raise ModelError(
                    f"{path / CONFIG} asks for code of a hub ({key}: {_value(config, key)}), which is never run; "
                    "remove that line"
                )


def _value(config: Any, key: str) -> Any:
    return config.get(key, "") if isinstance(config, dict) else ""


def _check_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise ModelError(f"{path} is a Git LFS pointer, not the file itself: fetch it with: git lfs pull")
