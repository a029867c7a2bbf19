"""Repeat bias: how much more likely the items of a history are to come again, learned with the scores."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# Ages and counts fall in bins by their power of two; the last bin of each is that much or more.
AGES = 10
COUNTS = 4
# Adam moves every weight alike; a weight that alone makes a score's bias moves the score so many times as far.
GAIN = 10.0


class RepeatBias(nn.Module):
    """Adds ``a_u[age] + c_u[count] + r_i`` to the scores of the items that a history holds.

    ``age`` is how many events ago the item came last, ``count`` how often it came; ``a_u`` and ``c_u`` are linear
    in the user's vector, ``r_i`` is one number an item. So one softmax holds what RepeatNet (Ren et al. 2019)
    divides into repeating and exploring. All start at zero.
    """

    def __init__(self, n_items: int, dim: int) -> None:
        super().__init__()
        self.of_user = nn.Linear(dim, AGES + COUNTS)
        self.of_item = nn.Embedding(n_items, 1)
        for weight in (self.of_user.weight, self.of_user.bias, self.of_item.weight):
            nn.init.zeros_(weight)

    def forward(
        self, users: torch.Tensor, inputs: torch.Tensor, rows: torch.Tensor, read: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the biases of n users, each after the first ``read`` [n] items of a row of ``inputs``.

        ``users`` [n, dim], ``inputs`` [n_rows, length] are codes, right-padded with -1, ``rows`` [n]. Returns
        codes and values [n, length]; at positions that are not an item's newest one the value is 0.
        """
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        same = (inputs[:, :, None] == inputs[:, None, :]) & (inputs >= 0)[:, :, None]
        later = same & (positions[None, :] > positions[:, None])
        narrow = positions.to(torch.int32)
        following = torch.where(later, narrow, inputs.shape[1]).amin(-1) if inputs.shape[1] else inputs
        counts = (same & (positions[None, :] <= positions[:, None])).sum(-1)
        ages = read[:, None] - positions
        newest = (inputs[rows] >= 0) & (ages > 0) & (following[rows] >= read[:, None])
        # As a product of ones and zeros: the gradient of an index is summed in any order, and differs run by run.
        scaled = functional.normalize(users, dim=-1) * users.shape[-1] ** 0.5
        weights = (scaled @ self.of_user.weight.T + GAIN * self.of_user.bias)[:, :, None]
        bins = torch.stack([_power(ages, AGES), AGES + _power(counts, COUNTS)[rows]], dim=-1)[..., None]
        hot = (bins == torch.arange(AGES + COUNTS, device=bins.device)).any(-2).to(weights.dtype)
        codes = inputs[rows].clamp(min=0)
        of_items = GAIN * functional.embedding(codes, self.of_item.weight).squeeze(-1)
        return codes, ((hot @ weights).squeeze(-1) + of_items) * newest


def _power(numbers: torch.Tensor, most: int) -> torch.Tensor:
    """Return floor(log2) of whole numbers, from 0 to below ``most``."""
    bounds = 2 ** torch.arange(1, most, device=numbers.device)
    return torch.bucketize(numbers, bounds, right=True)
