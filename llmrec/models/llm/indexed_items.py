"""Item vectors under a network's weights as they are, and an index of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.models.ranking import rank_candidates
from llmrec.retrieval.flat import FlatIndex

if TYPE_CHECKING:
    from llmrec.models.llm.network import NextItemNetwork


@dataclass(frozen=True, eq=False)
class IndexedItems:
    """All that scores take of items, float32: a user vector ``u`` scores ``temperature * vectors @ u + biases``.

    ``unnormalized`` and ``vectors`` (of unit length) are [n_items, dim], ``biases`` [n_items]; ``index`` answers
    with the same scores.
    """

    unnormalized: Float32s
    vectors: Float32s
    biases: Float32s
    temperature: float
    index: FlatIndex

    @classmethod
    def of(cls, network: NextItemNetwork) -> Self:
        """Compute and index the vectors of all items. The network must not be in training mode."""
        import torch

        with torch.inference_mode():
            unnormalized: Float32s = network.items().cpu().numpy()
            vectors: Float32s = network.item_vectors().cpu().numpy()
            biases: Float32s = network.biases().cpu().numpy()
            temperature = float(network.log_temperature.exp())
        index = FlatIndex.build(temperature * vectors, bias=biases)
        return cls(unnormalized, vectors, biases, temperature, index)

    def scores(self, users: Float32s) -> Float32s:
        """Score every item for unit user vectors [n, dim]: float32 [n, n_items]."""
        return np.asarray(self.temperature * users @ self.vectors.T + self.biases, dtype=np.float32)

    def nearest(self, codes: Int64s, k: int, *, tie_order: Int64s) -> tuple[Int64s, Float32s]:
        """Return the k other items of highest cosine to each given one: codes and cosines [n, k]."""
        neighbors, values = self.index.search(self.vectors[codes], min(k + 1, len(self.vectors)), biased=False)
        itself = neighbors == codes[:, None]
        return rank_candidates(neighbors, values / self.temperature, k, tie_order, without=itself)
