"""Train a network to have another's user states."""

from __future__ import annotations

import torch
from torch import nn

from llmrec.models.llm.network import NextItemNetwork
from llmrec.training.distributed import batch_count, shared_draws


class FollowingNetwork(nn.Module):
    """A network whose loss is how far its user vectors are from ``followed``: 1 - cosine."""

    def __init__(self, network: NextItemNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        tokens: torch.Tensor,
        placeholders: torch.Tensor,
        states: torch.Tensor,
        targets: torch.Tensor,
        followed: torch.Tensor,
        bins: torch.Tensor | None = None,
        **_: object,
    ) -> torch.Tensor:
        """Return the mean loss over the positions that have a target; ``followed`` [n, items + 1, dim]."""
        with shared_draws():  # an item's residual is dropped for the whole batch
            vectors = self.network.items()
        hidden = self.network.hidden(tokens, placeholders, vectors, bins, states=states)
        rows, columns = torch.nonzero(targets >= 0, as_tuple=True)
        users = self.network.users(hidden[rows, states[rows, columns]])
        cosines = (users * followed[rows, columns]).sum(-1)
        return (1 - cosines).sum() / max(batch_count(len(rows)), 1)
