"""Read vectors off the LLM: item texts by the frozen model, users by the trained one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from llmrec.data import Sequences
from llmrec.llm.serialize import Serializer
from llmrec.training.batching import by_length, padded, padded_runs

if TYPE_CHECKING:
    from torch import nn

    from llmrec.llm.network import NextItemNetwork

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def encode_lines(model: nn.Module, embed: nn.Module, serializer: Serializer, *, batch_tokens: int) -> Floats:
    """Mean-pool an LLM's last hidden states over each item's line: float32 [n_items, hidden]."""
    import torch

    from llmrec.llm.lines import laid_out, pooled

    def read(tokens: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = model(inputs_embeds=embed(tokens), use_cache=False).last_hidden_state
        return states

    device = next(model.parameters()).device
    found: Floats | None = None
    with torch.inference_mode():
        for rows in by_length(np.diff(serializer.offsets) + 1, batch_tokens):
            tokens, lengths = laid_out(serializer, rows)
            mean = pooled(read, torch.from_numpy(tokens).to(device), torch.from_numpy(lengths).to(device))
            if found is None:
                found = np.empty((len(serializer.offsets) - 1, mean.shape[1]), dtype=np.float32)
            found[rows] = mean.cpu().numpy()
    assert found is not None
    return found


def encode_users(
    network: NextItemNetwork, serializer: Serializer, sequences: Sequences, *, batch_tokens: int, raw: bool = False
) -> Floats:
    """Return each history's unit user vector ``W u``, float32 [n, dim]. Histories must fit the window.

    ``raw``: the LLM's own state ``u`` instead, float32 [n, hidden].
    """
    import torch

    totals = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(serializer.sizes(sequences))])
    sizes = len(serializer.prefix) + totals[sequences.offsets[1:]] - totals[sequences.offsets[:-1]]
    device = network.bias.device
    width = network.user.in_features if raw else network.user.out_features
    found = np.empty((len(sequences), width), dtype=np.float32)
    with torch.inference_mode():
        vectors = network.items()
        for rows in by_length(sizes, batch_tokens):
            written = serializer.write(padded(sequences, rows), padded_runs(sequences, rows))
            tokens, slots = torch.from_numpy(written.tokens), torch.from_numpy(written.slots)
            levels = None if written.levels is None else torch.from_numpy(written.levels).to(device)
            hidden = network.hidden(tokens.to(device), slots.to(device), vectors, levels)
            last = torch.from_numpy(written.states[:, -1]).to(device)
            states = hidden[torch.arange(len(rows), device=device), last]
            found[rows] = (states if raw else network.users(states)).cpu().numpy()
    return found


def standardize(vectors: Floats) -> tuple[Floats, Floats, float]:
    """Centre vectors and scale them to unit mean square. Returns the result, the mean and the scale.

    LLM states share a large common part that would make all texts look alike.
    """
    mean = vectors.mean(axis=0)
    scale = float(np.sqrt(np.mean((vectors - mean) ** 2))) or 1.0
    return ((vectors - mean) / scale).astype(np.float32), mean.astype(np.float32), scale
