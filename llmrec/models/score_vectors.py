"""A model's items and users as vectors whose inner product is its score, for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from llmrec.arrays import Float32s
from llmrec.errors import DataError
from llmrec.models.arguments import HistoriesLike, read_as_histories
from llmrec.models.ranker import no_user_vectors

if TYPE_CHECKING:
    from llmrec.models.ranker import Ranker

SPACES = ("inner_product", "model")


class ScoreVectors(NamedTuple):
    """Ids and vectors: ``items`` float32 [n_items, width], ``users`` float32 [n_users, width]."""

    item_ids: list[str]
    items: Float32s
    user_ids: list[str]
    users: Float32s


def score_vectors(
    model: Ranker,
    rows: tuple[Float32s, Float32s | None] | None,
    histories: HistoriesLike,
    *,
    space: str = "inner_product",
) -> ScoreVectors:
    """Return the vectors of a model's items, removed ones too, and of histories.

    ``rows``: the items' vectors and biases, of which products with users' vectors are scores; None for none.
    ``space`` "inner_product": the item's bias is folded in as one more number, for which users have a 1, so that
    ``users @ items.T`` is the score, but for what repeats and responses add (``history.repeat_bias``,
    ``responses.rank_by``); "model": as the model has them, without. Raises DataError for another space, and for a
    model without vectors of items or users.
    """
    if space not in SPACES:
        raise DataError(f"there is no space {space!r}; choose {' or '.join(SPACES)}")
    histories = read_as_histories(histories, model)
    users = model.embed_users(histories)
    if users is None or rows is None:
        raise no_user_vectors(model.kind)
    items, bias = rows
    if space == "model":
        vectors = model.item_vectors()
        assert vectors is not None
        return ScoreVectors(model.catalog.ids, vectors, list(histories.user_ids), users)
    if bias is not None:
        items = np.column_stack([items, bias]).astype(np.float32)
        users = np.column_stack([users, np.ones(len(users))]).astype(np.float32)
    return ScoreVectors(model.catalog.ids, items, list(histories.user_ids), users)
