"""BERT4Rec: attention in both directions, trained to predict masked items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Bools, Int64s
from llmrec.config import Recipe
from llmrec.data import Sequences
from llmrec.errors import RecipeError
from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.sequential.sasrec import attention_shape
from llmrec.training.batching import IGNORE, Batch
from llmrec.training.fields import RECOMMENDER_FIELDS

if TYPE_CHECKING:
    import torch

    from llmrec.models.sequential.networks import SequenceNetwork

# In this share of the windows only the newest item is masked, as in scoring.
LAST_ONLY = 0.1


class BERT4RecRecommender(SequentialRecommender):
    """Masked self-attention over item ids (BERT4Rec, Sun et al. 2019), exact cross-entropy at masked positions.

    ``sequence.mask_share`` of the positions are masked, drawn anew in every epoch. It needs more epochs than
    causal models, as each pass has few targets (Petrov & Macdonald 2022).

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.load("bert4rec", set={"train.epochs": 1, "sequence.dim": 16})
    >>> BERT4RecRecommender(recipe).fit(toy_films())
    BERT4RecRecommender(fitted on toy-films, 20 items)
    """

    kind = "bert4rec"
    sections = (
        *(f"sequence.{field}" for field in ("dim", "layers", "heads", "dropout", "max_items", "mask_share")),
        *RECOMMENDER_FIELDS,
        "train.shrink",
    )

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for heads that do not divide the width, and for other targets than masked events."""
        super().check_recipe(recipe)
        attention_shape(recipe.sequence)
        if recipe.train.targets != "event":
            raise RecipeError(
                "bert4rec reads the events right of a masked one, too: train.targets must be event, not "
                f"{recipe.train.targets}"
            )

    def _network(self) -> SequenceNetwork:
        from llmrec.models.sequential.networks import MaskedNetwork

        return MaskedNetwork(len(self.catalog), **attention_shape(self.recipe.sequence))

    def _add_parts(self) -> None:
        """Add nothing: the optional parts are of causal networks."""

    def _collate(self, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        import torch

        # A function of the batch alone, so that a resumed run masks what the uninterrupted one would have, and
        # several processes what one would have.
        windows = batch.windows if batch.whole is None else batch.whole
        draw = np.random.default_rng((self.recipe.seed, batch.epoch, *windows[0].tolist()))
        inputs, targets = masked(
            sequences, windows, mask=len(self.catalog), share=self.recipe.sequence.mask_share, draw=draw
        )
        if batch.rows is not None:
            longest = int((batch.windows[:, 2] - batch.windows[:, 1]).max()) + 1
            inputs, targets = inputs[batch.rows, :longest], targets[batch.rows, :longest]
        count = torch.tensor(int((inputs >= 0).sum()))
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets), "n_tokens": count}


def masked(
    sequences: Sequences, windows: Int64s, *, mask: int, share: float, draw: np.random.Generator
) -> tuple[Int64s, Int64s]:
    """Return the items of windows, with the last target, some of them masked, and the masked: int64 [n, length].

    Rows are right-padded with -1. At least one position of each row is masked; targets elsewhere are ``IGNORE``.
    Only positive targets are masked, in a row without any none is.
    """
    longest = int((windows[:, 2] - windows[:, 1]).max()) + 1
    inputs = np.full((len(windows), longest), -1, dtype=np.int64)
    for row, (user, start, stop) in enumerate(windows):
        inputs[row, : stop - start + 1] = sequences[user][start : stop + 1]
    maskable = _positive(sequences, windows, inputs >= 0)
    rank, n_maskable = np.cumsum(maskable, axis=1) - 1, maskable.sum(axis=1)
    last = maskable & (rank == n_maskable[:, None] - 1)
    hidden: Bools = maskable & (draw.random(inputs.shape) < share)
    none = hidden.sum(axis=1) == 0
    one = maskable & (rank == (draw.random(len(windows)) * n_maskable).astype(np.int64)[:, None])
    hidden = np.where(none.reshape(-1, 1), one, hidden)
    hidden = np.where((draw.random(len(windows)) < LAST_ONLY)[:, None], last, hidden)
    targets = np.where(hidden, inputs, IGNORE)
    return np.where(hidden, mask, inputs), targets


def _positive(sequences: Sequences, windows: Int64s, present: Bools) -> Bools:
    """Return which of the ``present`` positions of windows hold a positive target."""
    if sequences.positive is None:
        return present
    positive = np.zeros_like(present)
    for row, (user, start, stop) in enumerate(windows):
        base = sequences.offsets[user]
        positive[row, : stop - start + 1] = sequences.positive[base + start : base + stop + 1]
    return positive
