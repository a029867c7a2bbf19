"""BERT4Rec: attention in both directions, trained to guess masked items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Bools, Int64s
from llmrec.data import Sequences
from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.sequential.sasrec import attention_shape
from llmrec.training.batching import IGNORE, Batch

if TYPE_CHECKING:
    import torch

    from llmrec.models.sequential.networks import SequenceNetwork

# In this share of the windows only the newest item is masked: that is what will be asked.
LAST_ONLY = 0.1


class BERT4RecRecommender(SequentialRecommender):
    """Masked self-attention over item ids (BERT4Rec, Sun et al. 2019), exact cross-entropy at masked places.

    ``sequence.mask_share`` of the places are masked, drawn anew in every epoch. It needs more epochs than
    causal models, as each pass teaches at few places (Petrov & Macdonald 2022).
    """

    kind = "bert4rec"

    def _network(self) -> SequenceNetwork:
        from llmrec.models.sequential.networks import MaskedNetwork

        return MaskedNetwork(len(self.catalog), **attention_shape(self.recipe.sequence))

    def _collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        import torch

        # A function of the batch alone, so that a resumed run masks what the uninterrupted one would have.
        draw = np.random.default_rng((self.recipe.seed, batch.epoch, *batch.windows[0].tolist()))
        inputs, targets = masked(
            sequences, batch.windows, mask=len(self.catalog), share=self.recipe.sequence.mask_share, draw=draw
        )
        count = torch.tensor(int((inputs >= 0).sum()))
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets), "n_tokens": count}


def masked(
    sequences: Sequences, windows: Int64s, *, mask: int, share: float, draw: np.random.Generator
) -> tuple[Int64s, Int64s]:
    """Return a window's items, its last answer too, with some masked, and what stood there: int64 [n, length].

    Shorter rows end in -1. At least one place of each row is masked; targets elsewhere are ``IGNORE``.
    """
    longest = int((windows[:, 2] - windows[:, 1]).max()) + 1
    inputs = np.full((len(windows), longest), -1, dtype=np.int64)
    for row, (user, start, stop) in enumerate(windows):
        inputs[row, : stop - start + 1] = sequences[user][start : stop + 1]
    there = inputs >= 0
    lengths = there.sum(axis=1)
    last = np.arange(longest) == lengths[:, None] - 1
    hidden: Bools = there & (draw.random(inputs.shape) < share)
    none = hidden.sum(axis=1) == 0
    one = np.arange(longest) == (draw.random(len(windows)) * lengths).astype(np.int64)[:, None]
    hidden = np.where(none.reshape(-1, 1), one, hidden)
    hidden = np.where((draw.random(len(windows)) < LAST_ONLY)[:, None], last, hidden)
    targets = np.where(hidden, inputs, IGNORE)
    return np.where(hidden, mask, inputs), targets
