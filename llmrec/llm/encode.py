"""Read vectors off the LLM: item texts by the frozen model, users by the trained one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.llm.backbone import encoder
from llmrec.llm.serialize import Serializer
from llmrec.training.batching import by_length

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    # Token ids [n, length] to last hidden states [n, length, hidden].
    Read = Callable[[torch.Tensor], torch.Tensor]


def encode_item_texts(model: Any, serializer: Serializer, *, batch_tokens: int) -> Float32s:
    """Mean-pool a causal LLM's last hidden states over each item's line: float32 [n_items, hidden]."""
    import torch

    blocks, embed = encoder(model), model.get_input_embeddings()

    def read(tokens: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = blocks(inputs_embeds=embed(tokens), use_cache=False).last_hidden_state
        return states

    device = next(blocks.parameters()).device
    vectors: Float32s | None = None
    with torch.inference_mode():
        for rows in by_length(np.diff(serializer.offsets) + 1, batch_tokens):
            tokens, lengths = laid_out(serializer, rows)
            mean = pooled(read, torch.from_numpy(tokens).to(device), torch.from_numpy(lengths).to(device))
            if vectors is None:
                vectors = np.empty((len(serializer.offsets) - 1, mean.shape[1]), dtype=np.float32)
            vectors[rows] = mean.cpu().numpy()
    assert vectors is not None
    return vectors


def laid_out(serializer: Serializer, codes: Int64s) -> tuple[Int64s, Int64s]:
    """Return some items' lines, right-padded behind a leading newline [n, 1 + longest], and their lengths [n].

    The newline is read first and not pooled: the first position's state is an outlier in many models.
    """
    lengths = np.diff(serializer.offsets)[codes]
    newline = serializer.tokens[serializer.offsets[1] - 1]
    tokens = np.full((len(codes), 1 + int(lengths.max())), newline, dtype=np.int64)
    for place, code in enumerate(codes):
        tokens[place, 1 : lengths[place] + 1] = serializer.line(int(code))
    return tokens, lengths


def pooled(read: Read, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean of a line's last hidden states, float32 [n, hidden]. Takes what ``laid_out`` returns."""
    import torch

    hidden = read(tokens)[:, 1:].float()
    inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
    return (hidden * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)
