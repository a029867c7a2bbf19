"""The losses that neural models share: softmax over the catalog at every position, exact or sampled."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from llmrec.training.distributed import batch_count, batch_sum

# Exact softmax up to this many items; above, that many shared negatives a step.
EXACT_UP_TO = 50_000
NEGATIVES = 8192
# The expected number of negatives is as near to that of a draw, after so many rounds at the most.
CLOSE, MOST_ROUNDS = 1e-6, 100


class Predictions(NamedTuple):
    """Which targets, at (rows, positions), are predicted from which of their rows' states: each [n_predictions].

    ``context_positions``: the state, which has read so many of the row's items. ``n_visible``: how many of them
    are strictly earlier than the target. ``in_basket``: whether the state has also read items of the target's
    own basket, those with the same timestamp that stand before it.
    """

    rows: torch.Tensor
    positions: torch.Tensor
    context_positions: torch.Tensor
    n_visible: torch.Tensor
    in_basket: torch.Tensor


def predictions_of(targets: torch.Tensor, context_positions: torch.Tensor | None) -> Predictions:
    """Pair targets with the states that predict them.

    ``targets`` [n, length + 1]: codes, below 0 where there is none. State t predicts target t, or every state that
    ``context_positions`` [n, length + 1, 1 or 2] names for it, below 0 none: first the one that has read strictly
    earlier items only, then the one that has also read earlier items of the target's basket.
    """
    rows, positions = torch.nonzero(targets >= 0, as_tuple=True)
    if context_positions is None:
        return Predictions(rows, positions, positions, positions, torch.zeros_like(rows, dtype=torch.bool))
    contexts = context_positions[rows, positions]
    which, column = torch.nonzero(contexts >= 0, as_tuple=True)
    n_visible = contexts[which, 0].clamp(min=0)
    return Predictions(rows[which], positions[which], contexts[which, column], n_visible, column > 0)


def catalog_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean cross-entropy of the true next item among all items.

    ``logits`` [positions, n_items], ``targets`` [positions]: codes. Exact CE against sampled negatives:
    Klenitskiy & Vasilev, RecSys 2023. With ``weights`` [positions] the weighted mean.
    """
    if weights is None:
        n = batch_count(len(targets))
        if not len(targets):  # a batch whose windows all begin amid a basket: a mean over nothing would be NaN
            return logits.sum()
        return functional.cross_entropy(logits.float(), targets) * (len(targets) / n)
    return weighted_mean(functional.cross_entropy(logits.float(), targets, reduction="none"), weights)


def weighted_mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean of values by weight; 0 where all weights are 0."""
    return (values * weights).sum() / batch_sum(weights.sum()).clamp(min=1e-6)


def negatives_of(counts: torch.Tensor, requested: int | None) -> int | None:
    """Return how many negatives a step draws for items with these counts; None: exact softmax, over all.

    As many as ``requested``, else NEGATIVES for a catalog of more than EXACT_UP_TO items.
    """
    known = int((counts > 0).sum())
    number = requested if requested is not None else (NEGATIVES if len(counts) > EXACT_UP_TO else None)
    return None if number is None or number >= known else number


def negative_weights(counts: torch.Tensor) -> torch.Tensor:
    """Return how often each item is drawn as a negative, [n_items], sum 1: by count to the power 3/4.

    Between the uniform draw, which wastes negatives on items nobody would confuse, and the popular one
    (Mikolov et al. 2013). An item without events is never drawn.
    """
    weights = counts.double().pow(0.75)
    return (weights / weights.sum()).float()


def log_expected(weights: torch.Tensor, drawn: int) -> torch.Tensor:
    """Log of how often each item is expected among ``drawn`` negatives, none of them twice, [n_items].

    Such a draw takes the smallest of exponential times whose rates are the ``weights`` (Efraimidis & Spirakis
    2006): an item is in it where its time is up before that by which so many are expected. Fewer items must be
    drawn than have a weight.
    """
    weights = weights.double()
    time = torch.tensor(float(drawn), dtype=weights.dtype, device=weights.device)
    for _ in range(MOST_ROUNDS):  # Newton's method, from below: the number grows ever more slowly with the time
        left = torch.exp(-weights * time)
        missing = drawn - (1 - left).sum()
        if missing <= CLOSE * drawn:
            break
        time = time + missing / (weights * left).sum()
    return torch.log(-torch.expm1(-weights * time) + 1e-30).float()


def sampled_cross_entropy(
    true: torch.Tensor,
    others: torch.Tensor,
    targets: torch.Tensor,
    *,
    negatives: torch.Tensor,
    log_q: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Softmax over the true item and shared negatives, corrected by logQ (Bengio & Senécal 2008).

    ``true`` [positions]: the true items' logits; ``others`` [positions, drawn]: those of ``negatives``
    [drawn] (codes); ``log_q`` [n_items]: the log of each item's expected number among the negatives. A
    negative that is the position's own target does not count.
    """
    corrected = others.float() - log_q[negatives]
    corrected = corrected.masked_fill(negatives[None, :] == targets[:, None], -torch.inf)
    first = (true.float() - log_q[targets])[:, None]
    logits = torch.cat([first, corrected], dim=1)
    return catalog_cross_entropy(logits, torch.zeros_like(targets), weights)
