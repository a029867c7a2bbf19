"""A catalog's item texts as vectors, for every model that reads texts instead of ids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.config import TextConfig
from llmrec.data import Catalog


@dataclass(frozen=True, eq=False)
class TextEncodings:
    """Standardized vectors of item texts: ``texts`` = (encoder's vectors - ``mean``) / ``scale``.

    ``texts`` is float32 [n_items, width], ``mean`` [width].
    """

    texts: Float32s
    mean: Float32s
    scale: float

    @classmethod
    def standardized(cls, vectors: Float32s, *, by: Int64s | None = None) -> Self:
        """Subtract the mean over items and scale to unit mean square, of all items or of the rows ``by``.

        LLM states share a large common part that would make all texts look alike.
        """
        some = vectors if by is None else vectors[by]
        mean = some.mean(axis=0)
        scale = float(np.sqrt(np.mean((some - mean) ** 2))) or 1.0
        return cls(((vectors - mean) / scale).astype(np.float32), mean.astype(np.float32), scale)

    def extended(self, vectors: Float32s) -> Self:
        """Append an encoder's vectors of new items [n, width], with the mean and scale of the first ones."""
        added = (vectors - self.mean) / self.scale
        return replace(self, texts=np.concatenate([self.texts, added]).astype(np.float32))


def encode_catalog(catalog: Catalog, settings: TextConfig) -> tuple[Float32s, dict[str, str]]:
    """Encode every item's text: float32 [n_items, width], and the encoder's name and identity.

    Raises ModelError for an encoder that cannot be loaded, EnvironmentFault without sentence-transformers.
    """
    from llmrec.llm.texts import encode_texts
    from llmrec.prompting.item_text import item_texts
    from llmrec.prompting.prompt import Prompt

    texts = item_texts(catalog, Prompt.load(settings.prompt, settings.language))
    return encode_texts(texts, settings.encoder, encoder_type=settings.encoder_type)
