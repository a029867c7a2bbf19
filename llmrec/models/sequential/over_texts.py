"""What every network over item texts does with them: they are encoded once, and anew where they change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from llmrec.arrays import Bools
from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.catalog_changes import CatalogChange
from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.tensors import floats, read_tensor
from llmrec.models.text_encodings import (
    TextEncodings,
    check_texts,
    encode_catalog,
    read_encodings,
    require_statistics,
    with_changed_texts,
    write_statistics,
)

if TYPE_CHECKING:
    from llmrec.models.sequential.text_networks import TextRecurrentNetwork


class OverTextsRecommender(SequentialRecommender):
    """A network whose item vectors are functions of texts; a subclass builds it by ``_of_items``."""

    sections_of_texts: ClassVar[tuple[str, ...]] = ("text", "sequence.id_residual", "sequence.item_dropout")
    _encodings: TextEncodings
    _trained: Bools  # [n_items], whether the training set has the item

    def _of_items(self) -> dict[str, Any]:
        """Return what a network is told of the items: their texts, and which may have a residual."""
        import torch

        shape = self.recipe.sequence
        known = torch.from_numpy(self._trained[:, None].astype(np.float32)) if shape.id_residual else None
        texts = torch.from_numpy(self._encodings.texts)
        return {"texts": texts, "known": known, "item_dropout": shape.item_dropout}

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors, self.metadata["encoder"] = encode_catalog(self.catalog, self.recipe.text)
        if self.continuation is None:
            self._encodings = TextEncodings.standardized(vectors)
        else:
            before = self.continuation.model
            assert isinstance(before, OverTextsRecommender)
            require_statistics(before._encodings, self.continuation.run.name)
            self._encodings = before._encodings.of(vectors)
        self._trained = np.zeros(len(self.catalog), dtype=bool)
        self._trained[Sequences.encode(data.histories, self.catalog).codes] = True
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)

    def check_change(self, change: CatalogChange) -> None:
        super().check_change(change)
        check_texts(change, self.recipe.text, self._encodings, self.recipe.name)

    def _take_change(self, change: CatalogChange) -> None:
        import torch

        super()._take_change(change)
        earlier = self._encodings
        self._encodings = with_changed_texts(change, self.recipe.text, earlier, self.metadata["encoder"])
        if self._encodings is not earlier:
            network = cast("TextRecurrentNetwork", self.network)
            self.network = network.with_texts(torch.from_numpy(self._encodings.texts))

    def _save(self, folder: Path) -> None:
        super()._save(folder)
        if len(self._encodings.mean):
            write_statistics(self._encodings, folder)

    def _load(self, folder: Path) -> None:
        texts = read_tensor(folder / "model.safetensors", "texts", floats(len(self.catalog), None))
        self._encodings = read_encodings(texts, folder)
        self._trained = np.zeros(len(self.catalog), dtype=bool)  # the network's own weights say which
        super()._load(folder)
