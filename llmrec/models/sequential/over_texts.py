"""What every network over item texts does with them: they are encoded once, and anew where they change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from llmrec.data import Dataset, Fold
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
    from llmrec.models.sequential.networks import TextRecurrentNetwork


class OverTextsRecommender(SequentialRecommender):
    """A network whose item vectors are functions of texts; a subclass builds it of ``_encodings.texts``."""

    _encodings: TextEncodings

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors, self.metadata["encoder"] = encode_catalog(self.catalog, self.recipe.text)
        if self.continuation is None:
            self._encodings = TextEncodings.standardized(vectors)
        else:
            before = self.continuation.model
            assert isinstance(before, OverTextsRecommender)
            require_statistics(before._encodings, self.continuation.run.name)
            self._encodings = before._encodings.of(vectors)
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
        super()._load(folder)
