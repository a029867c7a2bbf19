"""A bias of attention by how long, and how many events, lie between two events."""

from __future__ import annotations

import torch
from torch import nn

# Gaps fall in buckets by their power of two in seconds: 0 s, 1 s, 2 to 3 s, ..., the last one from 34 years on.
GAPS = 32
UNKNOWN = 0  # the bucket of two events of which one has no time
# Adam moves every weight alike; a bias of attention moves so many times as far.
GAIN = 10.0


class GapBias(nn.Module):
    """A number for each head and bucket of the time between two events, added to the attention of the later one.

    And one for each head and number of events between them (HSTU, Zhai et al. 2024, arXiv 2402.17152; T5, Raffel
    et al. 2020). All start at zero; the first stays zero where a time is not known. HSTU also reads the time of
    the next event, the answer; here only the history's times are read.
    """

    def __init__(self, heads: int, max_items: int) -> None:
        super().__init__()
        self.of_gap = nn.Embedding(1 + GAPS, heads, padding_idx=UNKNOWN)
        self.of_distance = nn.Embedding(max_items + 1, heads)
        nn.init.zeros_(self.of_gap.weight)
        nn.init.zeros_(self.of_distance.weight)

    def forward(self, seconds: torch.Tensor) -> torch.Tensor:
        """Return the bias of each position's attention to each: [n, heads, length + 1, length + 1].

        ``seconds`` [n, length]: when each event happened, below 0 where it is not known. Position 0, the start of
        a sequence, has its first event's time.
        """
        first = seconds[:, :1] if seconds.shape[1] else seconds.new_full((len(seconds), 1), -1)
        times = torch.cat([first, seconds], dim=1)
        known = times >= 0
        gaps = (times[:, :, None] - times[:, None, :]).clamp(min=0)
        bounds = 2 ** torch.arange(GAPS - 1, device=seconds.device)
        buckets = 1 + torch.bucketize(gaps, bounds, right=True)
        buckets = torch.where(known[:, :, None] & known[:, None, :], buckets, UNKNOWN)
        positions = torch.arange(times.shape[1], device=seconds.device)
        distances = (positions[:, None] - positions).clamp(min=0)
        bias: torch.Tensor = GAIN * (self.of_gap(buckets) + self.of_distance(distances))
        return bias.permute(0, 3, 1, 2)
