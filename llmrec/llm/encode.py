"""Item texts as vectors: the mean of an LLM's last hidden states over each text's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.llm.backbone import transformer_blocks
from llmrec.llm.ragged import RaggedTokens
from llmrec.training.batching import by_length
from llmrec.training.encoding_bar import EncodingBar

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    # Token ids [n, length] to last hidden states [n, length, hidden].
    ReadTokens = Callable[[torch.Tensor], torch.Tensor]


def encode_item_texts(model: Any, texts: RaggedTokens, *, batch_tokens: int) -> Float32s:
    """Encode tokenized item texts by a causal LLM, adapted or not: float32 [n_items, hidden].

    Raises TrainingError where that would take longer than ``train.max_minutes`` in a fit.
    """
    import torch

    blocks, embed = transformer_blocks(model), model.get_input_embeddings()

    def read(tokens: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = blocks(inputs_embeds=embed(tokens), use_cache=False).last_hidden_state
        return states

    device = next(blocks.parameters()).device
    vectors: Float32s | None = None
    with torch.inference_mode(), EncodingBar(len(texts), int(texts.lengths.sum())) as bar:
        for rows in by_length(texts.lengths + 1, batch_tokens):
            tokens, lengths = padded_texts(texts, rows)
            means = mean_pooled(read, torch.from_numpy(tokens).to(device), torch.from_numpy(lengths).to(device))
            if vectors is None:
                vectors = np.zeros((len(texts), means.shape[1]), dtype=np.float32)
            vectors[rows] = means.cpu().numpy()
            bar.advance(int(texts.lengths[rows].sum()))
            if bar.is_enough():
                break
    assert vectors is not None
    return vectors


def padded_texts(texts: RaggedTokens, rows: Int64s) -> tuple[Int64s, Int64s]:
    """Return some tokenized texts, padded on the right [n, 1 + longest], and their lengths [n].

    Each begins with a newline that is read, not pooled: the first position's state is an outlier in many models.
    """
    newline, chosen = int(texts[0][-1]), texts.take(rows)
    return np.pad(chosen.padded(newline), ((0, 0), (1, 0)), constant_values=newline), chosen.lengths


def mean_pooled(read: ReadTokens, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean of each text's last hidden states, float32 [n, hidden]. Takes what ``padded_texts`` returns."""
    import torch

    hidden = read(tokens)[:, 1:].float()
    mask = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
