"""A catalog's item texts as vectors, for every model that reads texts instead of ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.config import Recipe, TextConfig
from llmrec.data import Catalog
from llmrec.data.catalog_changes import CatalogChange
from llmrec.errors import DataError, ModelError
from llmrec.models.tensors import floats, read_tensors, require, write_tensors
from llmrec.prompting.item_text import changed_texts, item_texts
from llmrec.prompting.prompt import Prompt
from llmrec.training.encoding_bar import encoding_is_sampled

# What a run's text encodings were standardized by.
STATISTICS = "text_statistics.safetensors"
# So many texts are encoded where only a sample is wanted.
SAMPLE = 64


@dataclass(frozen=True, eq=False)
class TextEncodings:
    """Standardized vectors of item texts: ``texts`` = (encoder's vectors - ``mean``) / ``scale``.

    ``texts`` is float32 [n_items, width], ``mean`` [width].
    """

    texts: Float32s
    mean: Float32s
    scale: float

    @classmethod
    def standardized(cls, vectors: Float32s) -> Self:
        """Subtract the mean over items and scale to unit mean square.

        LLM states share a large common part that would make all texts look alike.
        """
        mean = vectors.mean(axis=0)
        scale = float(np.sqrt(np.mean((vectors - mean) ** 2))) or 1.0
        return cls(((vectors - mean) / scale).astype(np.float32), mean.astype(np.float32), scale)

    def of(self, vectors: Float32s) -> Self:
        """Return an encoder's vectors of other texts [n, width], by the mean and scale of these."""
        return replace(self, texts=((vectors - self.mean) / self.scale).astype(np.float32))

    def with_rows(self, rows: Int64s, vectors: Float32s) -> Self:
        """Put an encoder's vectors [n, width] at rows [n], by the mean and scale of the first ones.

        Rows from ``len(texts)`` on are new; they come last and have no gap.
        """
        return replace(self, texts=rows_replaced(self.texts, rows, self.of(vectors).texts))


def rows_replaced(array: Float32s, rows: Int64s, values: Float32s) -> Float32s:
    """Return an array with other values at some rows; rows from its length on are new and have no gap."""
    grown = np.empty((max(len(array), int(rows.max(initial=-1)) + 1), *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    grown[rows] = values
    return grown


def encode_catalog(catalog: Catalog, settings: TextConfig) -> tuple[Float32s, dict[str, str]]:
    """Encode every item's text: float32 [n_items, width], and the encoder's name and identity.

    Raises ModelError for an encoder that cannot be loaded, EnvironmentFault where it cannot be fetched.
    """
    from llmrec.llm.texts import encode_texts

    texts = item_texts(catalog, _prompt(settings))
    some = texts[:SAMPLE] if encoding_is_sampled() else texts
    vectors, identity = encode_texts(some, settings.encoder, encoder_type=settings.encoder_type)
    return np.pad(vectors, [(0, len(texts) - len(some)), (0, 0)]), identity


def with_absolute_text(recipe: Recipe) -> Recipe:
    """Return a recipe with absolute paths where its text encoder or prompt is a folder or file of this machine."""
    from llmrec.llm.bases import absolute_path
    from llmrec.llm.texts import absolute_encoder

    text, is_file = recipe.text, Path(recipe.text.prompt).suffix in {".yaml", ".yml"}
    wanted = {
        "encoder": absolute_encoder(text.encoder, encoder_type=text.encoder_type),
        "prompt": str(absolute_path(text.prompt)) if is_file else text.prompt,
    }
    changes = {f"text.{name}": value for name, value in wanted.items() if value != getattr(text, name)}
    return recipe.with_values(changes) if changes else recipe


def write_statistics(encodings: TextEncodings, folder: Path) -> None:
    """Write what a run's text encodings were standardized by: a text that changes is encoded so, too."""
    scale = np.array([encodings.scale], dtype=np.float32)
    write_tensors(folder / STATISTICS, {"mean": encodings.mean, "scale": scale})


def read_encodings(texts: Float32s, folder: Path) -> TextEncodings:
    """Return a run's text encodings [n_items, width] with what ``write_statistics`` wrote; a run of an earlier
    version has none, and no text of it can change. Raises ArtifactError.
    """
    path = folder / STATISTICS
    if not path.exists():
        return TextEncodings(texts, np.zeros(0, dtype=np.float32), 1.0)
    tensors = read_tensors(path, {"mean": floats(texts.shape[1]), "scale": floats(1)})
    require(bool(tensors["scale"][0] > 0), path, "'scale' is not positive")
    return TextEncodings(texts, tensors["mean"], float(tensors["scale"][0]))


def check_texts(change: CatalogChange, settings: TextConfig, encodings: TextEncodings, run: str) -> None:
    """Raise DataError where a text changes whose encoding cannot."""
    if len(changed_texts(change, _prompt(settings))[0]):
        require_statistics(encodings, run)


def require_statistics(encodings: TextEncodings, run: str) -> None:
    """Raise DataError where it is not known what a run's text encodings were standardized by."""
    if not len(encodings.mean):
        raise DataError(
            f"{run} was fitted by an earlier version of llmrec, which did not keep what new texts are encoded by; "
            "fit it again"
        )


def with_changed_texts(
    change: CatalogChange, settings: TextConfig, encodings: TextEncodings, encoder: Mapping[str, str]
) -> TextEncodings:
    """Encode the texts that a change makes or changes, and only those, by the encoder of the others.

    Raises ModelError where that is another one now.
    """
    from llmrec.llm.texts import encode_texts

    rows, texts = changed_texts(change, _prompt(settings))
    if not texts:
        return encodings
    vectors, identity = encode_texts(texts, settings.encoder, encoder_type=settings.encoder_type)
    if identity["identity"] != encoder["identity"]:
        raise ModelError(
            f"text encoder '{settings.encoder}' is another one than that of the other texts "
            f"({encoder['identity']}, now {identity['identity']}); restore that, or fit again"
        )
    return encodings.with_rows(rows, vectors)


def _prompt(settings: TextConfig) -> Prompt:
    return Prompt.load(settings.prompt, settings.language)
